package main

import (
	"context"
	"errors"
	"time"
)

// pause is what lies between two rounds of all servers, and before a second try.
const pause = 200 * time.Millisecond

// byAnyAddress is a client that knows several servers, as its owner gave it a list of addresses: each request begins
// with the next one of them, and goes on at once to the one after that where the connection fails, the server has an
// error of its own or lets nobody in, or nothing is heard within its share of the time. It has failed when its whole time
// is over, or when a server has said no to what is asked: who is asked does not matter to that.
func byAnyAddress(j *journal, o order) error {
	if len(o.urls) == 0 {
		return errors.New(clientUsage)
	}
	t, c := j.tally("cluster"), kept(kubeconfigIdentity(o.config))
	first := make(chan int, 1)
	first <- 0
	go t.run(o.every, func(ctx context.Context) error {
		begin := <-first
		first <- (begin + 1) % len(o.urls)
		return c.askAny(ctx, append(o.urls[begin:len(o.urls):len(o.urls)], o.urls[:begin]...), probeMap(o.namespace))
	})
	return nil
}

// askAny asks one server after the other until one has answered. One that has just started knows neither tokens nor rights
// and lets nobody in until it is ready, which another server does not share.
func (c connection) askAny(ctx context.Context, servers []string, q question) error {
	share := patience / time.Duration(len(servers))
	for {
		var err error
		for _, server := range servers {
			one, cancel := context.WithTimeout(ctx, share)
			err = c.ask(one, server, q)
			cancel()
			if err == nil || final(err) && !letsNobodyIn(err) {
				return err
			}
			if ctx.Err() != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// final tells whether another server would say the same.
func final(err error) bool {
	var said refusal
	return errors.As(err, &said) && said.status < 500
}

func letsNobodyIn(err error) bool {
	var said refusal
	return errors.As(err, &said) && (said.status == 401 || said.status == 403)
}

// retries is a pod whose library tries once more where the connection broke or could not be made, as controllers'
// do; what it is told then is final.
func retries(j *journal, o order) error {
	t, c := j.tally("service"), kept(podIdentity)
	go t.run(o.every, func(ctx context.Context) error {
		err := c.ask(ctx, service(), probeMap(o.namespace))
		var said refusal
		if err == nil || errors.As(err, &said) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		return c.ask(ctx, service(), probeMap(o.namespace))
	})
	return nil
}
