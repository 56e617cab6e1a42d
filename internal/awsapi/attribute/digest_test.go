package attribute

import (
	"testing"

	"github.com/waystation/waystation/internal/partition"
)

// The sums are recordings of the real service.
func TestDigest(t *testing.T) {
	t.Parallel()
	text := func(name, dataType, value string) partition.Attribute {
		return partition.Attribute{Name: name, Type: dataType, Value: value}
	}
	tests := []struct {
		attributes []partition.Attribute
		want       string
	}{
		{nil, ""},
		{[]partition.Attribute{text("Hello", "String", "World")}, "7db7fb1ba7f41366a8ea5eb18220b26d"},
		{[]partition.Attribute{text("UserId", "Number.bigint", "1234567890123456789012")}, "797ab158d73dcb5242dedc4412c8e855"},
		{[]partition.Attribute{text("AWSTraceHeader", "String", "some-trace-id")}, "fdce4f2818803f2f73becc09a54792c0"},
		{[]partition.Attribute{text("General", "String", "Kenobi"), text("Hello", "String", "There"), text("Help.Me", "String", "Me")},
			"4c360f3fdafd970e05fae2f149d997f5"},
		{[]partition.Attribute{text("Hello", "String", "There"), text("Help.Me", "String", "Me")}, "83fee93c1bcd8b9a5a923ffacdc636c7"},
		{[]partition.Attribute{text("data1", "Number", "1"), text("data2", "Number", "2")}, "b53b5acf24e7fd9567705bd8027b1c76"},
		{[]partition.Attribute{{Name: "attr1", Type: "Binary",
			Binary: []byte("traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01")}}, "8cbe4db156db8a94db8b801b7addb984"},
	}
	for _, tt := range tests {
		if got := Digest(tt.attributes); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.attributes, got, tt.want)
		}
	}
}
