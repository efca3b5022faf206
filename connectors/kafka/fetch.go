package kafka

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// maxResponse bounds the memory of one answer. A broker sends the first batch
// whole even if it is larger than what was asked for.
const maxResponse = 512 << 20

// fetchRequest reads one partition from one offset. It goes through kafka-go's
// transport (leader routing, pooled connections, TLS, SASL) but takes the
// answer off the wire itself: kafka-go's decoding loses what the walk over the
// batches needs, the last offset of a batch, its append time and whether it
// was cut short.
type fetchRequest struct {
	fetch.Request
	clientID string
	version  int16
	buf      []byte // memory for the answer, passed on to the response
}

// fetchResponse is the answer for the one partition.
type fetchResponse struct {
	code      int16
	throttle  time.Duration
	high      int64 // high watermark
	stable    int64 // last stable offset: the end for read_committed
	aborted   []abortedTransaction
	records   []byte // a view into buf
	buf       []byte
	topic     string
	partition int32
}

type abortedTransaction struct{ producer, first int64 }

// ApiKey implements protocol.Message.
func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

func newFetchRequest(o *readerOptions, topic string, partition int32, offset int64, buf []byte) *fetchRequest {
	isolation := int8(0)
	if o.committed {
		isolation = 1
	}
	return &fetchRequest{
		clientID: o.client.id,
		buf:      buf,
		Request: fetch.Request{
			ReplicaID: -1, MaxWaitTime: int32(o.maxWait.Milliseconds()), MinBytes: 1, MaxBytes: o.maxBytes,
			IsolationLevel: isolation, SessionEpoch: -1,
			Topics: []fetch.RequestTopic{{Topic: topic, Partitions: []fetch.RequestPartition{{
				Partition: partition, CurrentLeaderEpoch: -1, FetchOffset: offset,
				LogStartOffset: -1, PartitionMaxBytes: o.maxBytes,
			}}}},
		},
	}
}

// Required implements protocol.RawExchanger.
func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Fetch]
	return true
}

// RawExchange implements protocol.RawExchanger: it writes the request and
// reads the answer. An error closes the connection.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if r.version < 4 {
		return nil, fmt.Errorf("the broker speaks version %d of the fetch protocol: Kafka 2.1 or newer is needed", r.version)
	}
	const correlation = 1 // one request at a time on a connection
	if err := protocol.WriteRequest(rw, r.version, correlation, r.clientID, &r.Request); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, fmt.Errorf("reading a fetch answer: %w", err)
	}
	size := int32(binary.BigEndian.Uint32(head[:4])) - 4
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != correlation {
		return nil, fmt.Errorf("fetch answer with correlation id %d, want %d", got, correlation)
	}
	if size < 0 || size > maxResponse {
		return nil, fmt.Errorf("fetch answer of %d bytes: more than the limit of %d", size, maxResponse)
	}
	buf := r.buf[:0]
	if cap(buf) < int(size) {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if _, err := io.ReadFull(rw, buf); err != nil {
		return nil, fmt.Errorf("reading a fetch answer: %w", err)
	}
	return parseFetch(buf, r.version)
}

// parseFetch reads an answer about one partition, without its length and
// correlation id.
func parseFetch(buf []byte, version int16) (*fetchResponse, error) {
	res := &fetchResponse{buf: buf}
	c := cursor{b: buf}
	res.throttle = time.Duration(c.int32()) * time.Millisecond
	if version >= 7 {
		res.code = c.int16()
		c.int32() // session id
	}
	if topics := c.int32(); topics == 0 && res.code != 0 && !c.bad {
		return res, nil
	} else if topics != 1 && !c.bad {
		return nil, fmt.Errorf("fetch answer about %d topics, want one", topics)
	}
	res.topic = string(c.take(int(c.int16())))
	if n := c.int32(); n != 1 && !c.bad {
		return nil, fmt.Errorf("fetch answer about %d partitions, want one", n)
	}
	res.partition = c.int32()
	if code := c.int16(); res.code == 0 {
		res.code = code
	}
	res.high = c.int64()
	res.stable = c.int64()
	if version >= 5 {
		c.int64() // log start; may be -1 in an error: ListOffsets is asked instead
	}
	for n := c.int32(); n > 0 && !c.bad; n-- {
		res.aborted = append(res.aborted, abortedTransaction{producer: c.int64(), first: c.int64()})
	}
	if version >= 11 {
		c.int32() // preferred read replica: only given to clients that name a rack
	}
	if n := c.int32(); n > 0 {
		res.records = c.take(int(n))
	}
	if c.bad {
		return nil, fmt.Errorf("fetch answer of %d bytes is cut short: %w", len(buf), io.ErrUnexpectedEOF)
	}
	return res, nil
}

// cursor takes values off a buffer. Once too little is left, bad is set and
// everything taken is zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) int8() int8 {
	if v := c.take(1); v != nil {
		return int8(v[0])
	}
	return 0
}

func (c *cursor) int16() int16 {
	if v := c.take(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if v := c.take(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (c *cursor) int64() int64 {
	if v := c.take(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

// varint takes a zigzag varint.
func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// bytes takes bytes with their length before them; nil for a negative length.
func (c *cursor) bytes() []byte {
	n := c.varint()
	if n < 0 {
		return nil
	}
	if n > int64(len(c.b)) {
		c.b, c.bad = nil, true
		return nil
	}
	return c.take(int(n))
}
