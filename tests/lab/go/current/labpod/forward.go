package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// forward carries TCP connections: `forward LISTEN... -- [READYPATH] TARGET...`.
//
// A LISTEN of `-` is a listening socket on standard input. A socket belongs to the network namespace that
// made it, a dial to the namespace of the process: so a process inside a closed namespace can serve one port
// of the world outside. With a READYPATH (`/readyz`) only targets that answer it with 200 over TLS get
// connections, as a load balancer before API servers does it; while none does, each is tried in turn.
func forward(a []string) error {
	listeners := []net.Listener{}
	for len(a) > 0 && a[0] != "--" {
		listener, err := listen(a[0])
		if err != nil {
			return err
		}
		listeners, a = append(listeners, listener), a[1:]
	}
	if len(listeners) == 0 || len(a) < 2 {
		return fmt.Errorf("usage: forward LISTEN... -- [READYPATH] TARGET")
	}
	set := &targets{}
	for _, t := range a[1:] {
		if strings.HasPrefix(t, "/") {
			set.path = t
			continue
		}
		set.all = append(set.all, &target{address: t})
	}
	if set.path != "" {
		for _, t := range set.all {
			go t.watch(set.path)
		}
	}
	failed := make(chan error)
	for _, listener := range listeners {
		go func() { failed <- set.serve(listener) }()
	}
	return <-failed
}

func listen(address string) (net.Listener, error) {
	if address == "-" {
		return net.FileListener(os.Stdin)
	}
	return net.Listen("tcp", address)
}

type target struct {
	address string
	ready   atomic.Bool
}

// watch asks the target every half second whether it is ready.
func (t *target) watch(path string) {
	// Which certificate it shows does not matter here: the client at the end of the connection checks that.
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	}}
	for ; ; time.Sleep(500 * time.Millisecond) {
		answer, err := client.Get("https://" + t.address + path)
		if err == nil {
			answer.Body.Close()
		}
		ready := err == nil && answer.StatusCode == http.StatusOK
		if t.ready.Swap(ready) != ready {
			fmt.Println(time.Now().Format(time.RFC3339Nano), t.address, "ready", ready)
		}
	}
}

type targets struct {
	path string
	all  []*target
	next atomic.Uint64
}

func (s *targets) serve(listener net.Listener) error {
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go s.carry(client)
	}
}

// dial takes the ready targets first, beginning with the next in turn, then the others.
func (s *targets) dial() net.Conn {
	first := int(s.next.Add(1))
	for _, ready := range []bool{true, false} {
		for i := range s.all {
			t := s.all[(first+i)%len(s.all)]
			if (s.path == "" || t.ready.Load()) != ready {
				continue
			}
			if server, err := net.DialTimeout("tcp", t.address, 2*time.Second); err == nil {
				return server
			}
		}
	}
	return nil
}

func (s *targets) carry(client net.Conn) {
	defer client.Close()
	server := s.dial()
	if server == nil {
		return
	}
	defer server.Close()
	// When one side has ended, the other is told, and may still send what it has.
	done := make(chan struct{}, 2)
	pipe := func(to, from net.Conn) {
		io.Copy(to, from)
		to.(*net.TCPConn).CloseWrite()
		done <- struct{}{}
	}
	go pipe(server, client)
	go pipe(client, server)
	<-done
	<-done
}
