package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"invigil/connectors"
)

// Policy says what to do when the records at a partition's position are not
// there: deleted before they were read, or beyond the end of the log.
type Policy uint8

// The policies. Continue goes on at the start of what is there; Stop ends
// serving the partition with an error, again and again until someone decides.
const (
	Continue Policy = iota
	Stop
)

// readerOptions are what all readers of a source share.
type readerOptions struct {
	client      *client
	committed   bool
	maxBytes    int32
	maxWait     time.Duration
	onLost      Policy
	onTruncated Policy
	backoff     time.Duration // first wait after a failure; doubles up to 20 times that
	attempts    int           // failures in a row before giving up; 0 = never
	hooks       *Hooks
	log         *slog.Logger
}

// reader reads one partition, one block ahead of its user: while the pipeline
// works on a block, the next is fetched and decoded.
type reader struct {
	o         *readerOptions
	topic     string
	partition int32
	start     int64 // an offset, or kafkago.FirstOffset, kafkago.LastOffset
	until     int64 // the end for good; below 0: none
	commit    func(next int64) error

	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the fetching goroutine has ended; nil before it runs
	blocks chan *block
	free   chan *block

	current *block
	err     error
	next    atomic.Int64 // everything before it was handed out or is void
	end     atomic.Int64 // the end of the partition as last seen
	after   int64        // one after the last message handed out
}

// newReader returns a reader that fetches until ctx ends or close is called.
func newReader(ctx context.Context, o *readerOptions, topic string, partition int32, start, until int64) *reader {
	r := &reader{
		o: o, topic: topic, partition: partition, start: start, until: until,
		blocks: make(chan *block), free: make(chan *block, 3),
		commit: func(int64) error { return nil },
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.next.Store(-1)
	r.end.Store(-1)
	r.after = -1
	return r
}

func (r *reader) close() {
	r.cancel()
	if r.done != nil {
		<-r.done
	}
}

// Topic implements connectors.Reader.
func (r *reader) Topic() string { return r.topic }

// Partition implements connectors.Reader.
func (r *reader) Partition() int32 { return r.partition }

// StartAt implements connectors.Reader.
func (r *reader) StartAt(offset int64) { r.start = offset }

// Lag returns how many offsets lie between what was handed out and the end of
// the partition as last seen, -1 before the first answer of a broker. Unlike
// the other methods it may be called from any goroutine.
func (r *reader) Lag() int64 {
	next, end := r.next.Load(), r.end.Load()
	if next < 0 || end < 0 {
		return -1
	}
	return max(0, end-next)
}

// Read implements connectors.Reader. When ctx ends nothing is lost: the next
// Read goes on.
func (r *reader) Read(ctx context.Context) ([]connectors.Message, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.done == nil {
		r.done = make(chan struct{})
		go r.run()
	}
	if r.current != nil {
		r.free <- r.current
		r.current = nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.ctx.Done():
			return nil, r.ctx.Err()
		case k := <-r.blocks:
			if k.err != nil {
				r.err = k.err
				return nil, r.err
			}
			r.next.Store(k.next)
			if len(k.messages) == 0 {
				r.free <- k
				continue
			}
			r.current = k
			r.after = k.messages[len(k.messages)-1].Offset + 1
			return k.messages, nil
		}
	}
}

// Commit implements connectors.Reader. When all that was handed out is
// committed, so are the control batches and aborted records behind it.
func (r *reader) Commit(_ context.Context, next int64) error {
	if next == r.after {
		next = r.next.Load()
	}
	return r.commit(next)
}

// run fetches block after block. It ends with ctx or after a block that
// carries an error.
func (r *reader) run() {
	defer close(r.done)
	pos, err := r.resolve()
	fresh := true
	for {
		var k *block
		select {
		case k = <-r.free:
			k.reset()
		default:
			k = new(block)
		}
		if err == nil {
			pos, err = r.fill(k, pos)
		}
		switch k.err = err; {
		case r.ctx.Err() != nil:
			return
		case err != nil && !errors.Is(err, io.EOF):
			r.o.hooks.stuck(r.topic, r.partition, err)
		case fresh:
			fresh = false
			r.o.hooks.stuck(r.topic, r.partition, nil)
		}
		select {
		case r.blocks <- k:
		case <-r.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// resolve turns the start into an offset.
func (r *reader) resolve() (int64, error) {
	if r.start >= 0 {
		return r.start, nil
	}
	t := r.trial()
	for {
		pos, err := r.o.client.offsetAt(r.ctx, r.topic, r.partition, r.start, r.o.committed)
		if err == nil {
			return pos, nil
		}
		if err := t.failed("offsets", err); err != nil {
			return 0, err
		}
	}
}

// fill fetches from pos on until there is something new and returns the next
// position. io.EOF: the end given was reached.
func (r *reader) fill(k *block, pos int64) (int64, error) {
	t := r.trial()
	stuck, empty := false, 0
	for {
		if r.until >= 0 && pos >= r.until {
			return pos, io.EOF
		}
		if empty > 2 && r.until >= 0 {
			// The broker has nothing up to the end: compaction took it.
			return pos, io.EOF
		}
		res, err := r.fetch(k, pos)
		if err == nil && res.code != 0 {
			if err = kafkago.Error(res.code); res.code == int16(kafkago.OffsetOutOfRange) {
				moved, fatal := r.outOfRange(pos)
				if fatal != nil {
					return pos, fatal
				}
				if moved != pos {
					pos = moved
					continue
				}
			}
		}
		if err != nil {
			if err := t.failed("fetch", err); err != nil {
				return pos, err
			}
			continue
		}
		end := res.high
		if r.o.committed {
			end = res.stable
		}
		if err := k.decode(res, pos, r.until); err != nil {
			stuck = true
			r.o.hooks.stuck(r.topic, r.partition, err)
			if err := t.failed("decode", err); err != nil {
				return pos, err
			}
			continue
		}
		if t.succeeded(); stuck {
			stuck = false
			r.o.hooks.stuck(r.topic, r.partition, nil)
		}
		r.end.Store(end)
		r.next.CompareAndSwap(-1, pos)
		if k.next > pos {
			return k.next, nil
		}
		if res.throttle == 0 {
			empty++
		} else if !t.wait(res.throttle) {
			return pos, r.ctx.Err()
		}
	}
}

// fetch asks once. The block's buffer goes with the request, which may outlive
// a cancelled call, and comes back with the answer.
func (r *reader) fetch(k *block, pos int64) (*fetchResponse, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.o.maxWait+30*time.Second)
	defer cancel()
	req := newFetchRequest(r.o, r.topic, r.partition, pos, k.buf)
	k.buf = nil
	m, err := r.o.client.transport.RoundTrip(ctx, r.o.client.addr, req)
	if err != nil {
		return nil, err
	}
	res, ok := m.(*fetchResponse)
	if !ok {
		return nil, fmt.Errorf("fetch answered by a %T", m)
	}
	k.buf = res.buf
	res.topic, res.partition = r.topic, r.partition
	return res, nil
}

// outOfRange finds out on which side of the log pos lies. It returns where to
// go on (pos itself: the log has it after all, or could not be asked) or why
// the partition stops.
func (r *reader) outOfRange(pos int64) (int64, error) {
	first, err := r.o.client.offsetAt(r.ctx, r.topic, r.partition, kafkago.FirstOffset, false)
	if err != nil {
		r.o.hooks.error("offsets", err)
		return pos, nil
	}
	last, err := r.o.client.offsetAt(r.ctx, r.topic, r.partition, kafkago.LastOffset, false)
	if err != nil {
		r.o.hooks.error("offsets", err)
		return pos, nil
	}
	log := r.o.log.With("topic", r.topic, "partition", r.partition, "position", pos, "log_start", first, "log_end", last)
	switch {
	case pos > last && r.o.onTruncated == Stop:
		return pos, &TruncatedError{Topic: r.topic, Partition: r.partition, Position: pos, End: last}
	case pos > last:
		log.Error("the log ends before the position: the topic was recreated or truncated; starting it over")
		r.o.hooks.truncated(r.topic, r.partition, pos, last)
		return first, nil
	case pos < first && r.o.onLost == Stop:
		return pos, &LostError{Topic: r.topic, Partition: r.partition, From: pos, To: first}
	case pos < first:
		log.Error("records were deleted before they were read; going on at the start of the log", "lost", first-pos)
		r.o.hooks.lost(r.topic, r.partition, pos, first)
		return first, nil
	}
	return pos, nil
}

// trial counts failures in a row, waits between them and logs each kind once.
type trial struct {
	r      *reader
	misses int
	last   string
}

func (r *reader) trial() *trial { return &trial{r: r} }

// failed notes a failure and waits. It returns an error when it is time to
// give up: the context ended or all attempts are used.
func (t *trial) failed(operation string, err error) error {
	r := t.r
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	t.misses++
	r.o.hooks.error(operation, err)
	if r.o.attempts > 0 && t.misses >= r.o.attempts {
		return fmt.Errorf("reading %s/%d: %w", r.topic, r.partition, err)
	}
	if s := err.Error(); s != t.last {
		t.last = s
		r.o.log.Warn("reading a partition failed, trying again", "topic", r.topic, "partition", r.partition, "operation", operation, "error", err)
	}
	if !t.wait(r.o.backoff << min(t.misses-1, 4)) {
		return r.ctx.Err()
	}
	return nil
}

func (t *trial) succeeded() {
	if t.misses > 0 {
		t.r.o.log.Info("the partition is read again", "topic", t.r.topic, "partition", t.r.partition, "failures", t.misses)
	}
	t.misses, t.last = 0, ""
}

// wait reports false when the context ended first.
func (t *trial) wait(d time.Duration) bool { return pause(t.r.ctx, d) }

// pause waits for d and reports whether it was not cut short by ctx.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
