package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// slow is what a lookup takes at least that needed a second try: the resolver's time-out (`options timeout:2`
// of the pod's dnsConfig) less what timers lose.
const slow = 1900 * time.Millisecond

// tally is what a prober knows; its line is what the lab reads.
type tally struct {
	sync.Mutex
	lookups, failed, slow int
	gap                   time.Duration
	success               time.Time
	reason                string
}

func (t *tally) line() string {
	t.Lock()
	defer t.Unlock()
	return fmt.Sprintf("lookups=%d failed=%d slow=%d gap_ms=%d", t.lookups, t.failed, t.slow, t.gap.Milliseconds())
}

// probe looks names up through the pod's /etc/resolv.conf for ever: `prober [INTERVAL] NAME...`.
//
// A new lookup of every name starts each INTERVAL (50ms), whether the ones before are done or not: an outage
// then counts as many failures as it has moments. The resolver is Go's own, which does what glibc's does:
// IPv4 and IPv6, each name server in turn, `timeout` and `attempts` as resolv.conf says. `failed` counts
// lookups that ended in an error after all attempts; `slow` those that succeeded, but not at the first try;
// `gap_ms` is the longest time between the starts of two consecutive successful lookups, or since the last one.
func probe(a []string) error {
	interval := 50 * time.Millisecond
	if len(a) > 0 {
		if d, err := time.ParseDuration(a[0]); err == nil {
			interval, a = d, a[1:]
		}
	}
	if len(a) == 0 {
		return fmt.Errorf("usage: prober [INTERVAL] NAME...")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	t := &tally{}
	said := time.Now()
	tick := time.NewTicker(interval)
	for {
		select {
		case <-stop:
			fmt.Println("stopped", t.line())
			return nil
		case <-tick.C:
		}
		for _, name := range a {
			go t.lookup(name)
		}
		if time.Since(said) >= 500*time.Millisecond {
			said = time.Now()
			fmt.Println(said.UTC().Format(time.RFC3339Nano), t.line())
		}
	}
}

func (t *tally) lookup(name string) {
	started := time.Now()
	resolver := &net.Resolver{PreferGo: true}
	_, err := resolver.LookupHost(context.Background(), name)
	took := time.Since(started)
	t.Lock()
	defer t.Unlock()
	t.lookups++
	if err != nil {
		t.failed++
		if reason := err.Error(); reason != t.reason {
			t.reason = reason
			fmt.Println(started.UTC().Format(time.RFC3339Nano), "error:", reason)
		}
	} else {
		if took >= slow {
			t.slow++
		}
		if started.After(t.success) {
			if gap := started.Sub(t.success); !t.success.IsZero() && gap > t.gap {
				t.gap = gap
			}
			t.success = started
		}
	}
}
