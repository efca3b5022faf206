package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// wire is a record batch to encode; last counts from base.
type wire struct {
	base, last int64
	attributes int16
	producer   int64
	time, max  int64
	offsets    []int64 // of the records that are left
	values     []string
	control    bool // one control record, abort
	commit     bool // one control record, commit
}

func (w wire) encode(t interface{ Fatal(...any) }) []byte {
	var body []byte
	records := int32(len(w.offsets))
	switch {
	case w.control || w.commit:
		w.attributes |= attrControl | attrTransactional
		marker := byte(0)
		if w.commit {
			marker = 1
		}
		records = 1
		body = appendRecord(nil, 0, 0, []byte{0, 0, 0, marker}, []byte{0, 0, 0, 0, 0, 0})
	default:
		for i, off := range w.offsets {
			value := fmt.Sprint(off)
			if w.values != nil {
				value = w.values[i]
			}
			body = appendRecord(body, off-w.base, int64(i), nil, []byte(value))
		}
	}
	if codec := compress.Compression(w.attributes & attrCodec); codec != 0 && codec.Codec() != nil {
		var b strings.Builder
		z := codec.Codec().NewWriter(&b)
		if _, err := z.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		body = []byte(b.String())
	}
	rb := kmsg.RecordBatch{
		FirstOffset: w.base, Length: int32(49 + len(body)), Magic: 2, Attributes: w.attributes,
		LastOffsetDelta: int32(w.last - w.base), FirstTimestamp: w.time, MaxTimestamp: w.max,
		ProducerID: w.producer, NumRecords: records, Records: body,
	}
	return seal(rb.AppendTo(nil))
}

func appendRecord(b []byte, offset, time int64, key, value []byte) []byte {
	r := []byte{0}
	r = binary.AppendVarint(r, time)
	r = binary.AppendVarint(r, offset)
	for _, f := range [][]byte{key, value} {
		if f == nil {
			r = binary.AppendVarint(r, -1)
			continue
		}
		r = append(binary.AppendVarint(r, int64(len(f))), f...)
	}
	r = binary.AppendVarint(r, 0)
	return append(binary.AppendVarint(b, int64(len(r))), r...)
}

// seal writes the checksum.
func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

func flip(b []byte, at int) []byte {
	b[at] ^= 0xff
	return b
}

func TestDecodeWalksTheLogAsItStands(t *testing.T) {
	abort := func(producer, base int64) []byte {
		return wire{base: base, last: base, producer: producer, control: true}.encode(t)
	}
	commit := func(producer, base int64) []byte {
		return wire{base: base, last: base, producer: producer, commit: true}.encode(t)
	}
	txn := func(producer int64, offsets ...int64) []byte {
		return wire{base: offsets[0], last: offsets[len(offsets)-1], producer: producer, attributes: attrTransactional, offsets: offsets}.encode(t)
	}
	plain := func(base, last int64, offsets ...int64) []byte {
		return wire{base: base, last: last, offsets: offsets}.encode(t)
	}
	for _, tt := range []struct {
		name    string
		batches [][]byte
		aborted []abortedTransaction
		from    int64
		until   int64
		want    string // offsets
		next    int64
		corrupt int64 // offset of the batch that is an error; 0 = none
	}{
		{name: "nothing", from: 5, next: 5},
		{name: "two batches", batches: [][]byte{plain(5, 6, 5, 6), plain(7, 7, 7)}, from: 5, want: "5 6 7", next: 8},
		{name: "a batch that begins before the position", batches: [][]byte{plain(5, 9, 5, 6, 7, 8, 9)}, from: 8, want: "8 9", next: 10},
		{name: "a hole inside a batch", batches: [][]byte{plain(5, 9, 5, 9)}, from: 5, want: "5 9", next: 10},
		{name: "a batch whose tail is compacted away", batches: [][]byte{plain(5, 300, 5)}, from: 6, next: 301},
		{name: "a batch whose head is compacted away", batches: [][]byte{plain(5, 9, 9)}, from: 5, want: "9", next: 10},
		{name: "an emptied batch kept for its producer", batches: [][]byte{plain(5, 9), plain(20, 20, 20)}, from: 5, want: "20", next: 21},
		{name: "a hole between batches", batches: [][]byte{plain(5, 5, 5), plain(300, 300, 300)}, from: 5, want: "5 300", next: 301},
		{name: "control batches alone", batches: [][]byte{commit(1, 5), abort(1, 6)}, from: 5, next: 7},
		{name: "an end given in mid-batch", batches: [][]byte{plain(5, 9, 5, 6, 7, 8, 9)}, from: 5, until: 7, want: "5 6", next: 10},
		{name: "an aborted transaction between two that are not",
			batches: [][]byte{txn(1, 5, 6), txn(2, 7), txn(1, 8), abort(1, 9), txn(1, 10), commit(2, 11), commit(1, 12)},
			aborted: []abortedTransaction{{1, 5}}, from: 5, want: "7 10", next: 13},
		{name: "two aborted transactions of one producer",
			batches: [][]byte{txn(1, 5), abort(1, 6), txn(1, 7), commit(1, 8), txn(1, 9), abort(1, 10)},
			aborted: []abortedTransaction{{1, 5}, {1, 9}}, from: 5, want: "7", next: 11},
		{name: "an aborted transaction that began before the answer",
			batches: [][]byte{txn(1, 5), abort(1, 6), plain(7, 7, 7)},
			aborted: []abortedTransaction{{1, 2}}, from: 5, want: "7", next: 8},
		{name: "plain records of a producer inside its aborted transaction's range",
			batches: [][]byte{wire{base: 5, last: 5, producer: 1, offsets: []int64{5}}.encode(t)},
			aborted: []abortedTransaction{{1, 5}}, from: 5, want: "5", next: 6},
		{name: "a tail cut by the size limit", batches: [][]byte{plain(5, 5, 5), plain(6, 6, 6)[:40]}, from: 5, want: "5", next: 6},
		{name: "a first batch that is not whole", batches: [][]byte{plain(5, 5, 5)[:40]}, from: 5, next: 5, corrupt: 5},
		{name: "a wrong checksum", batches: [][]byte{flip(plain(5, 5, 5), 60)}, from: 5, next: 5, corrupt: 5},
		{name: "a wrong checksum behind good records", batches: [][]byte{plain(5, 5, 5), flip(plain(6, 6, 6), 60)}, from: 5, want: "5", next: 6},
		{name: "an unknown format version", batches: [][]byte{flip(plain(5, 5, 5), 16)}, from: 5, next: 5, corrupt: 5},
		{name: "an unknown codec", batches: [][]byte{wire{base: 5, last: 5, attributes: 6, offsets: []int64{5}}.encode(t)}, from: 5, next: 5, corrupt: 5},
		{name: "a record count that is too great", batches: [][]byte{seal(flip(plain(5, 300, 5), 60))}, from: 5, next: 5, corrupt: 5},
		{name: "bytes behind the records", batches: [][]byte{garbageBehind(plain(5, 5, 5))}, from: 5, next: 5, corrupt: 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var k block
			res := &fetchResponse{topic: "t", partition: 3, aborted: tt.aborted}
			for _, b := range tt.batches {
				res.records = append(res.records, b...)
			}
			until := tt.until
			if until == 0 {
				until = -1
			}
			err := k.decode(res, tt.from, until)
			var got []string
			for _, m := range k.messages {
				got = append(got, string(m.Value))
				if m.Topic != "t" || m.Partition != 3 {
					t.Errorf("message of %s/%d", m.Topic, m.Partition)
				}
			}
			if s := strings.Join(got, " "); s != tt.want || k.next != tt.next {
				t.Errorf("got %q, next %d; want %q, next %d", s, k.next, tt.want, tt.next)
			}
			var e *CorruptError
			switch {
			case tt.corrupt == 0 && err != nil:
				t.Error(err)
			case tt.corrupt != 0 && (!errors.As(err, &e) || e.Offset != tt.corrupt || e.Topic != "t" || e.Partition != 3):
				t.Errorf("error %v, want one about offset %d", err, tt.corrupt)
			}
		})
	}
}

// garbageBehind adds a byte to a batch behind its records.
func garbageBehind(b []byte) []byte {
	b = append(b, 0)
	binary.BigEndian.PutUint32(b[8:], binary.BigEndian.Uint32(b[8:])+1)
	return seal(b)
}

func TestTheTimeIsTheBrokersWhereTheTopicSaysSo(t *testing.T) {
	for _, tt := range []struct {
		name       string
		attributes int16
		want       []int64
	}{
		{"set by the producer", 0, []int64{1000, 1001}},
		{"set by the broker on append", attrAppendTime, []int64{5000, 5000}},
	} {
		var k block
		b := wire{base: 0, last: 1, time: 1000, max: 5000, attributes: tt.attributes, offsets: []int64{0, 1}}.encode(t)
		if err := k.decode(&fetchResponse{records: b}, 0, -1); err != nil {
			t.Fatal(err)
		}
		if got := []int64{k.messages[0].Time, k.messages[1].Time}; !cmp.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestMessageSetsFromBeforeVersion2AreRead(t *testing.T) {
	message := func(version int8, offset int64, attributes int8, value []byte) []byte {
		m := []byte{byte(version), byte(attributes)}
		if version == 1 {
			m = binary.BigEndian.AppendUint64(m, uint64(1000+offset))
		}
		m = binary.BigEndian.AppendUint32(m, 0xffffffff) // no key
		m = binary.BigEndian.AppendUint32(m, uint32(len(value)))
		m = append(m, value...)
		b := binary.BigEndian.AppendUint64(nil, uint64(offset))
		b = binary.BigEndian.AppendUint32(b, uint32(len(m)+4))
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(m))
		return append(b, m...)
	}
	var set strings.Builder
	z := compress.Gzip.Codec().NewWriter(&set)
	for i := range int64(3) {
		if _, err := z.Write(message(1, i, 0, fmt.Append(nil, 12+i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var log []byte
	log = append(log, message(0, 10, 0, []byte("10"))...)
	log = append(log, message(1, 11, 0, []byte("11"))...)
	log = append(log, message(1, 14, int8(compress.Gzip), []byte(set.String()))...) // offsets 12 to 14
	log = append(log, wire{base: 15, last: 15, offsets: []int64{15}}.encode(t)...)
	var k block
	if err := k.decode(&fetchResponse{records: log}, 11, -1); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range k.messages {
		if string(m.Value) != fmt.Sprint(m.Offset) {
			t.Errorf("offset %d holds %s", m.Offset, m.Value)
		}
		got = append(got, string(m.Value))
	}
	if s := strings.Join(got, " "); s != "11 12 13 14 15" || k.next != 16 {
		t.Errorf("got %q, next %d", s, k.next)
	}
	if err := k.decode(&fetchResponse{records: flip(message(1, 11, 0, []byte("11")), 30)}, 11, -1); err == nil {
		t.Error("a wrong checksum went unnoticed")
	}
}

// TestDecodeGivesEachRecordOnce decodes random logs in random pieces against
// the records that were put in.
func TestDecodeGivesEachRecordOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log [][]byte
		var want []int64
		at := rapid.Int64Range(0, 5).Draw(t, "start")
		from := at
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			at += rapid.Int64Range(0, 3).Draw(t, "hole")
			w := wire{base: at, last: at + rapid.Int64Range(0, 9).Draw(t, "length"), attributes: int16(rapid.IntRange(0, 4).Draw(t, "codec"))}
			for off := w.base; off <= w.last; off++ {
				if rapid.Bool().Draw(t, "kept") {
					w.offsets = append(w.offsets, off)
				}
			}
			want = append(want, w.offsets...)
			log = append(log, w.encode(t))
			at = w.last + 1
		}
		var k block
		var got []int64
		for pos := from; pos < at; pos = k.next {
			// A broker answers with the batch that holds pos, whole, and as
			// much of what follows as fits.
			first := 0
			for ; first < len(log); first++ {
				h, err := parseBatch(log[first])
				if err != nil {
					t.Fatal(err)
				}
				if h.last >= pos {
					break
				}
			}
			var rest []byte
			for _, b := range log[first:] {
				rest = append(rest, b...)
			}
			cut := rapid.IntRange(len(log[first]), len(rest)).Draw(t, "cut")
			k.reset()
			if err := k.decode(&fetchResponse{records: rest[:cut]}, pos, -1); err != nil {
				t.Fatal(err)
			}
			if k.next <= pos {
				t.Fatalf("no progress from %d", pos)
			}
			for _, m := range k.messages {
				if string(m.Value) != fmt.Sprint(m.Offset) {
					t.Fatalf("offset %d holds %q", m.Offset, m.Value)
				}
				got = append(got, m.Offset)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// FuzzDecode: no bytes make the walk panic, step back or give a message from
// outside its range.
func FuzzDecode(f *testing.F) {
	f.Add(wire{base: 5, last: 9, offsets: []int64{5, 7}}.encode(f), int64(5))
	f.Add(wire{base: 5, last: 9, attributes: 3, offsets: []int64{5, 7}}.encode(f), int64(6))
	f.Add(wire{base: 5, last: 5, producer: 1, control: true}.encode(f), int64(5))
	f.Fuzz(func(t *testing.T, b []byte, from int64) {
		if from &= 1<<62 - 1; len(b) >= batchHeader && b[16] == 2 {
			b = seal(slices.Clone(b)) // or no input gets past the checksum
		}
		k := block{}
		err := k.decode(&fetchResponse{records: b, aborted: []abortedTransaction{{1, 0}}}, from, -1)
		if k.next < from || err != nil && len(k.messages) > 0 {
			t.Fatalf("next %d from %d, %d messages, error %v", k.next, from, len(k.messages), err)
		}
		last := from - 1
		for _, m := range k.messages {
			if m.Offset < from {
				t.Fatalf("offset %d after %d", m.Offset, last)
			}
			last = m.Offset
		}
	})
}

func FuzzParseFetch(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 't'}, int16(11))
	f.Fuzz(func(t *testing.T, b []byte, version int16) {
		if res, err := parseFetch(b, version); (res == nil) == (err == nil) {
			t.Fatalf("%v, %v", res, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	value := strings.Repeat(`{"type":"port","ID":1,"timestamp":"2026/01/01 00:00:00","port":{"protocol":"tcp"}}`, 5)
	for _, codec := range []compress.Compression{compress.None, compress.Lz4} {
		b.Run(codec.String(), func(b *testing.B) {
			w := wire{base: 0, last: 999, attributes: int16(codec)}
			for i := range int64(1000) {
				w.offsets, w.values = append(w.offsets, i), append(w.values, value)
			}
			raw := w.encode(b)
			var k block
			b.ReportAllocs()
			for range b.N {
				k.reset()
				if err := k.decode(&fetchResponse{records: raw}, 0, -1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}
