package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// leaveGrace is how long a stop waits for a join that is under way before its
// connection is cut; a join may wait for other members as long as the
// rebalance timeout.
const leaveGrace = 10 * time.Second

// group is a consumer group membership whose connections can be refused and
// cut, which kafka-go's own cannot.
type group struct {
	*kafkago.ConsumerGroup
	conns *guard
}

func (s *Source) join(k *client, counts map[string]int) (*group, error) {
	conns := &guard{dial: k.dialer.DialFunc, open: make(map[net.Conn]struct{})}
	dialer := *k.dialer
	dialer.DialFunc = conns.connect
	start := kafkago.FirstOffset
	if s.o.StartLatest {
		start = kafkago.LastOffset
	}
	debug := kafkago.LoggerFunc(func(format string, args ...any) {
		s.o.Logger.Debug("kafka-go: "+fmt.Sprintf(format, args...), "group", s.o.Group)
	})
	g, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{
		ID: s.o.Group, Brokers: s.o.Brokers, Dialer: &dialer, Topics: slices.Sorted(maps.Keys(counts)),
		GroupBalancers: s.o.Balancers, StartOffset: start,
		HeartbeatInterval: s.o.HeartbeatInterval, SessionTimeout: s.o.SessionTimeout,
		RebalanceTimeout: s.o.RebalanceTimeout, JoinGroupBackoff: s.o.JoinBackoff,
		Logger: debug, ErrorLogger: debug,
	})
	if err != nil {
		return nil, fmt.Errorf("consumer group %s: %w", s.o.Group, err)
	}
	return &group{g, conns}, nil
}

// leave ends the generation, waits for its goroutines and, if told so, gives
// up the seat in the group.
func (g *group) leave(seat bool) {
	if !seat {
		g.conns.refuse()
	}
	stalled := time.AfterFunc(leaveGrace, func() {
		g.conns.refuse()
		g.conns.cut()
	})
	defer stalled.Stop()
	g.Close()
}

// guard keeps track of the connections that it dials.
type guard struct {
	dial    func(context.Context, string, string) (net.Conn, error)
	mu      sync.Mutex
	refused bool
	open    map[net.Conn]struct{}
}

func (g *guard) connect(ctx context.Context, network, address string) (net.Conn, error) {
	g.mu.Lock()
	refused := g.refused
	g.mu.Unlock()
	if refused {
		return nil, errors.New("the source is stopping")
	}
	c, err := g.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	guarded := &guardedConn{c, g}
	g.mu.Lock()
	g.open[guarded] = struct{}{}
	g.mu.Unlock()
	return guarded, nil
}

// refuse makes every later connection fail.
func (g *guard) refuse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = true
}

// cut closes what is open.
func (g *guard) cut() {
	g.mu.Lock()
	open := slices.Collect(maps.Keys(g.open))
	g.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}

type guardedConn struct {
	net.Conn
	guard *guard
}

func (c *guardedConn) Close() error {
	c.guard.mu.Lock()
	delete(c.guard.open, c)
	c.guard.mu.Unlock()
	return c.Conn.Close()
}
