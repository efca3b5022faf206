package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"

	"invigil/connectors"
)

const (
	batchHeader = 61        // bytes of a version 2 batch before its records
	maxInflated = 256 << 20 // a batch may not grow beyond this when decompressed

	attrCodec         = 0x07
	attrAppendTime    = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is the header of a version 2 record batch with its records as they
// stand on the wire.
type batch struct {
	base, last       int64 // offsets: last counts records that compaction removed
	attributes       int16
	firstTime, after int64 // time of the first record; the batch's greatest
	producer         int64
	count            int32
	records          []byte
}

// block holds the messages of one fetch and the memory behind them; it is
// used again for a later fetch. Keys and values are views into the answer or,
// of compressed batches, into arena.
type block struct {
	buf      []byte
	arena    []byte
	messages []connectors.Message
	headers  []connectors.Header
	next     int64 // the offset after everything in the block, void or not
	err      error // why there is no further block
	names    map[string]string
	source   bytes.Reader
}

func (k *block) reset() {
	k.arena, k.messages, k.headers = k.arena[:0], k.messages[:0], k.headers[:0]
	k.next, k.err = 0, nil
}

// decode walks the batches of an answer and appends the messages from offset
// from up to but not including until (below 0: no limit), leaving out control
// batches and what aborted transactions wrote. Next moves past all that was
// walked over. A batch that cannot be read ends the walk; it is an error only
// if nothing before it was new, so what stands before it is delivered first.
func (k *block) decode(res *fetchResponse, from, until int64) error {
	k.next = from
	w := walk{block: k, from: from, until: until, topic: res.topic, partition: res.partition, aborted: res.aborted}
	rest := res.records
	for len(rest) > 0 {
		n, whole := entryLength(rest)
		if !whole {
			if len(rest) < len(res.records) {
				return nil // only the first batch is sent whole whatever its size
			}
			return w.corrupt(from, errors.New("the answer holds a part of it only"))
		}
		mark, marked := len(k.messages), k.next
		var err error
		if rest[16] < 2 {
			err = w.legacy(rest[:n])
		} else {
			err = w.batch(rest[:n])
		}
		if err != nil {
			k.messages, k.next = k.messages[:mark], marked
			if k.next > from {
				return nil
			}
			return w.corrupt(int64(binary.BigEndian.Uint64(rest)), err)
		}
		rest = rest[n:]
	}
	return nil
}

// entryLength returns the length of the batch or message at the head of b, and
// whether all of it is there.
func entryLength(b []byte) (int, bool) {
	if len(b) < 17 {
		return 0, false
	}
	n := int64(int32(binary.BigEndian.Uint32(b[8:])))
	if n < 5 || n > int64(len(b)-12) {
		return 0, false
	}
	return int(n) + 12, true
}

// walk is the state of a walk over the batches of one answer.
type walk struct {
	*block
	from, until int64
	topic       string
	partition   int32
	aborted     []abortedTransaction // not yet begun
	open        []int64              // producers inside an aborted transaction
}

func (w *walk) corrupt(offset int64, err error) error {
	return &CorruptError{Topic: w.topic, Partition: w.partition, Offset: offset, Err: err}
}

func parseBatch(b []byte) (batch, error) {
	if b[16] != 2 {
		return batch{}, fmt.Errorf("format version %d is not known", b[16])
	}
	if len(b) < batchHeader {
		return batch{}, fmt.Errorf("%d bytes are too few for a batch", len(b))
	}
	if want, got := binary.BigEndian.Uint32(b[17:]), crc32.Checksum(b[21:], castagnoli); want != got {
		return batch{}, fmt.Errorf("checksum is %08x, computed %08x", want, got)
	}
	c := cursor{b: b}
	h := batch{base: c.int64()}
	c.take(4 + 4 + 1 + 4) // length, leader epoch, version, checksum
	h.attributes = c.int16()
	h.last = h.base + int64(c.int32())
	h.firstTime, h.after = c.int64(), c.int64()
	h.producer = c.int64()
	c.take(2 + 4) // producer epoch, sequence
	h.count = c.int32()
	h.records = c.b
	if h.base < 0 || h.last < h.base || h.last >= 1<<62 || h.count < 0 || int64(h.count) > h.last-h.base+1 {
		return batch{}, fmt.Errorf("%d records between offsets %d and %d", h.count, h.base, h.last)
	}
	return h, nil
}

func (w *walk) batch(b []byte) error {
	h, err := parseBatch(b)
	if err != nil {
		return err
	}
	if h.last < w.from {
		return nil
	}
	if h.attributes&attrControl != 0 {
		if err := w.control(&h); err != nil {
			return err
		}
	} else if !w.skipped(&h) {
		if err := w.records(&h); err != nil {
			return err
		}
	}
	w.next = h.last + 1
	return nil
}

// skipped reports whether an aborted transaction wrote the batch. The answer
// names each aborted transaction by producer and first offset; it ends with
// the producer's next abort marker.
func (w *walk) skipped(h *batch) bool {
	w.begin(h.last)
	return h.attributes&attrTransactional != 0 && slices.Contains(w.open, h.producer)
}

func (w *walk) begin(upTo int64) {
	w.aborted = slices.DeleteFunc(w.aborted, func(a abortedTransaction) bool {
		if a.first > upTo {
			return false
		}
		w.open = append(w.open, a.producer)
		return true
	})
}

// control ends an aborted transaction at its marker.
func (w *walk) control(h *batch) error {
	w.begin(h.last)
	c := cursor{b: h.records}
	c.varint() // length
	c.int8()   // attributes
	c.varint() // time
	c.varint() // offset
	key := c.bytes()
	if c.bad || len(key) < 4 {
		if h.count == 0 {
			return nil // an emptied batch that keeps a producer's state
		}
		return errors.New("malformed control record")
	}
	const abort = 0
	if binary.BigEndian.Uint16(key[2:]) == abort {
		if i := slices.Index(w.open, h.producer); i >= 0 {
			w.open = slices.Delete(w.open, i, i+1)
		}
	}
	return nil
}

func (w *walk) records(h *batch) error {
	raw := h.records
	if codec := h.attributes & attrCodec; codec != 0 {
		var err error
		if raw, err = w.inflate(compress.Compression(codec), raw); err != nil {
			return err
		}
	}
	c := cursor{b: raw}
	for i := range h.count {
		body := cursor{b: c.bytes()}
		if c.bad {
			return fmt.Errorf("record %d of %d is cut short", i+1, h.count)
		}
		body.int8() // attributes, unused
		m := connectors.Message{Topic: w.topic, Partition: w.partition}
		m.Time = max(0, h.firstTime+body.varint())
		if h.attributes&attrAppendTime != 0 {
			m.Time = max(0, h.after)
		}
		m.Offset = h.base + body.varint()
		m.Key, m.Value = body.bytes(), body.bytes()
		first := len(w.headers)
		for n := body.varint(); n > 0 && !body.bad; n-- {
			key := body.bytes()
			w.headers = append(w.headers, connectors.Header{Key: w.name(key), Value: body.bytes()})
		}
		if body.bad || len(body.b) > 0 || m.Offset < h.base || m.Offset > h.last {
			return fmt.Errorf("record %d of %d is malformed", i+1, h.count)
		}
		if len(w.headers) > first {
			m.Headers = w.headers[first:len(w.headers):len(w.headers)]
		}
		w.add(m)
	}
	if len(c.b) > 0 {
		return fmt.Errorf("%d bytes after its %d records", len(c.b), h.count)
	}
	return nil
}

func (w *walk) add(m connectors.Message) {
	if m.Offset >= w.from && (w.until < 0 || m.Offset < w.until) {
		w.messages = append(w.messages, m)
	}
}

// name returns a header's name as a string; the few names that a topic has
// are made once.
func (k *block) name(b []byte) string {
	if s, ok := k.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if k.names == nil || len(k.names) >= 64 {
		k.names = make(map[string]string)
	}
	k.names[s] = s
	return s
}

// inflate decompresses into the arena. Growth moves the arena; views into its
// former place stay what they are.
func (k *block) inflate(codec compress.Compression, b []byte) ([]byte, error) {
	c := codec.Codec()
	if c == nil {
		return nil, fmt.Errorf("compression codec %d is not known", codec)
	}
	k.source.Reset(b)
	r := c.NewReader(&k.source)
	defer r.Close()
	start := len(k.arena)
	k.arena = slices.Grow(k.arena, 4*len(b))
	for {
		if len(k.arena) == cap(k.arena) {
			k.arena = slices.Grow(k.arena, len(k.arena)-start)
		}
		n, err := r.Read(k.arena[len(k.arena):cap(k.arena)])
		k.arena = k.arena[:len(k.arena)+n]
		switch {
		case errors.Is(err, io.EOF):
			return k.arena[start:len(k.arena):len(k.arena)], nil
		case err != nil:
			return nil, fmt.Errorf("decompressing %s: %w", codec, err)
		case len(k.arena)-start > maxInflated:
			return nil, fmt.Errorf("decompressing %s: more than %d bytes", codec, maxInflated)
		}
	}
}

// legacy reads one message, or compressed set of messages, of the formats
// before Kafka 0.11, which old segments may still hold.
func (w *walk) legacy(b []byte) error {
	var sized bytes.Buffer
	sized.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
	sized.Write(b)
	var set protocol.RecordSet
	if _, err := set.ReadFrom(&sized); err != nil {
		return err
	}
	last := int64(binary.BigEndian.Uint64(b)) // of a set: the offset of its last message
	if set.Records == nil {
		return errors.New("no message in it")
	}
	for {
		r, err := set.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		m := connectors.Message{Topic: w.topic, Partition: w.partition, Offset: r.Offset}
		if m.Key, err = protocol.ReadAll(r.Key); err != nil {
			return err
		}
		if m.Value, err = protocol.ReadAll(r.Value); err != nil {
			return err
		}
		if b[16] > 0 {
			m.Time = max(0, r.Time.UnixMilli())
		}
		for _, c := range []io.Closer{r.Key, r.Value} {
			if c != nil {
				c.Close()
			}
		}
		last = max(last, m.Offset)
		w.add(m)
	}
	w.next = max(w.next, last+1)
	return nil
}
