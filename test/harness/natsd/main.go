// Command natsd is the external NATS server of the cluster tests: JetStream in
// a folder with fsync on every write, messages up to 8 MiB, alone or as one of
// a cluster. It ends when its
// standard input closes, so that it cannot outlive the test that started it.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:4222", "host:port to listen on")
	dir := flag.String("dir", "", "store folder")
	name := flag.String("name", "natsd", "name of the server, another for each of a cluster")
	cluster := flag.String("cluster", "", "host:port to listen on for the other servers of a cluster")
	routes := flag.String("routes", "", "URLs of all servers of the cluster, with commas between them")
	flag.Parse()
	if err := run(*addr, *dir, *name, *cluster, *routes); err != nil {
		fmt.Fprintln(os.Stderr, "natsd:", err)
		os.Exit(1)
	}
}

func run(addr, dir, name, cluster, routes string) error {
	host, port, err := split(addr)
	if err != nil {
		return err
	}
	opts := &server.Options{
		ServerName: name,
		Host:       host,
		Port:       port,
		JetStream:  true,
		StoreDir:   dir,
		SyncAlways: true,
		MaxPayload: 8 << 20,
		MaxPending: 64 << 20,
		NoSigs:     true,
	}
	if cluster != "" {
		opts.Cluster.Name = "test"
		if opts.Cluster.Host, opts.Cluster.Port, err = split(cluster); err != nil {
			return err
		}
		opts.Routes = server.RoutesFromStr(routes)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	if !s.ReadyForConnections(15 * time.Second) {
		return fmt.Errorf("not ready on %s", addr)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

func split(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}
