//go:build java

package protocols

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestJavaLive has the AWS SDK for Java speak CBOR to the test's Kinesis, and prints
// what it sent, from which TestJavaRecorded was made. It needs a JDK and Maven:
//
//	go test -tags java -run JavaLive -v ./test/conformance/protocols
func TestJavaLive(t *testing.T) {
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(bound(t), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	jars := filepath.Join(dir, "jars")
	run("mvn", "-B", "-q", "-f", filepath.Join("java", "pom.xml"), "dependency:copy-dependencies", "-DoutputDirectory="+jars)
	run("javac", "-cp", filepath.Join(jars, "*"), "-d", dir, filepath.Join("java", "Kinesis.java"))
	h := kinesisHandler(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		t.Logf("%s %s %x", r.Header.Get("Content-Type"), r.Header.Get("X-Amz-Target"), body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	}))
	defer s.Close()
	out := run("java", "-cp", filepath.Join(jars, "*")+":"+dir, "Kinesis", s.URL)
	for _, want := range []string{
		"SequenceNumber=1, ApproximateArrivalTimestamp=2026-03-01T12:00:00.250Z, Data=SdkBytes(bytes=0x6100c3a4), PartitionKey=k",
		"NextShardIterator=i+, MillisBehindLatest=7",
		"ShardIterator=2026-03-01T12:00:00.25Z",
		"There is no stream none.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the SDK did not read %q:\n%s", want, out)
		}
	}
}
