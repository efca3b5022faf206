package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"math/bits"
	"slices"

	"github.com/segmentio/kafka-go/compress"
)

// Where the fields of a record batch of version 2 lie.
const (
	atLength     = 8 // of what follows the length
	atLeader     = 12
	atVersion    = 16
	atChecksum   = 17 // of what follows it
	atAttributes = 21
	atLastOffset = 23
	atFirstTime  = 27
	atMaxTime    = 35
	atProducer   = 43
	atEpoch      = 51
	atSequence   = 53
	atCount      = 57
)

// ChangelogSize returns how many bytes a record adds to a batch that is not
// compressed, at most.
func ChangelogSize(key, value []byte) int {
	const framing = 5 + 1 + 1 + 5 + 5 + 5 + 1
	return framing + len(key) + len(value)
}

// recordBatch is a batch as it goes over the wire.
type recordBatch struct {
	bytes   []byte
	count   int32
	at      int64  // time of its records, unix milliseconds
	largest []byte // key of the largest record
	size    int    // of the largest record
}

// encoder makes batches. Its memory is used again, so a batch is valid until
// the next.
type encoder struct {
	codec compress.Compression
	buf   []byte
	plain []byte // records before compression
}

// forget gives the last batch's memory up: a request that holds it may still
// be on its way.
func (e *encoder) forget() { e.buf = nil }

// encode makes a batch of records that all have the time at.
func (e *encoder) encode(records iter.Seq2[[]byte, []byte], at int64) (recordBatch, error) {
	b := recordBatch{at: at}
	if cap(e.buf) < batchHeader {
		e.buf = make([]byte, batchHeader, 64<<10)
	}
	e.buf = e.buf[:batchHeader]
	clear(e.buf)
	to := &e.buf
	if e.codec != 0 {
		e.plain = e.plain[:0]
		to = &e.plain
	}
	for key, value := range records {
		before := len(*to)
		*to = appendChangelogRecord(*to, b.count, key, value)
		b.count++
		if n := len(*to) - before; n > b.size {
			b.size, b.largest = n, append(b.largest[:0], key...)
		}
	}
	if e.codec != 0 {
		if err := e.compress(); err != nil {
			return b, err
		}
	}
	b.bytes = e.buf
	h := b.bytes
	binary.BigEndian.PutUint32(h[atLength:], uint32(len(h)-atLeader))
	binary.BigEndian.PutUint32(h[atLeader:], ^uint32(0)) // the broker fills it in
	h[atVersion] = 2
	binary.BigEndian.PutUint16(h[atAttributes:], uint16(e.codec))
	binary.BigEndian.PutUint32(h[atLastOffset:], uint32(b.count-1))
	binary.BigEndian.PutUint64(h[atFirstTime:], uint64(at))
	binary.BigEndian.PutUint64(h[atMaxTime:], uint64(at))
	binary.BigEndian.PutUint32(h[atCount:], uint32(b.count))
	return b, nil
}

func (e *encoder) compress() error {
	out := bytes.NewBuffer(e.buf)
	z := e.codec.Codec().NewWriter(out)
	if _, err := z.Write(e.plain); err != nil {
		return fmt.Errorf("compressing a changelog batch: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compressing a changelog batch: %w", err)
	}
	e.buf = out.Bytes()
	return nil
}

// appendChangelogRecord appends a record without headers; a nil value deletes.
func appendChangelogRecord(b []byte, offset int32, key, value []byte) []byte {
	size := 1 + 1 + varintLen(int64(offset)) + varintLen(int64(len(key))) + len(key) + 1 + len(value)
	if value != nil {
		size += varintLen(int64(len(value)))
	} else {
		size += varintLen(-1)
	}
	b = slices.Grow(b, size+binary.MaxVarintLen32)
	b = binary.AppendVarint(b, int64(size))
	b = append(b, 0, 0) // attributes; time after the first record's
	b = binary.AppendVarint(b, int64(offset))
	b = binary.AppendVarint(b, int64(len(key)))
	b = append(b, key...)
	if value == nil {
		b = binary.AppendVarint(b, -1)
	} else {
		b = binary.AppendVarint(b, int64(len(value)))
		b = append(b, value...)
	}
	return append(b, 0) // headers
}

// varintLen returns the length of v as a zigzag varint.
func varintLen(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	return max(1, (bits.Len64(u)+6)/7)
}

// stamp makes the batch its producer's and writes the checksum.
func (b *recordBatch) stamp(p producer) {
	binary.BigEndian.PutUint64(b.bytes[atProducer:], uint64(p.id))
	binary.BigEndian.PutUint16(b.bytes[atEpoch:], uint16(p.epoch))
	binary.BigEndian.PutUint32(b.bytes[atSequence:], uint32(p.sequence))
	binary.BigEndian.PutUint32(b.bytes[atChecksum:], crc32.Checksum(b.bytes[atAttributes:], castagnoli))
}
