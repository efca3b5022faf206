package kafka

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/compress"
	"pgregory.net/rapid"
)

// TestBatchesAreReadAsTheyWereWritten holds the encoder against the walk over
// fetched batches, which other tests hold against brokers.
func TestBatchesAreReadAsTheyWereWritten(t *testing.T) {
	var plain, zipped encoder
	zipped.codec = compress.Lz4
	rapid.Check(t, func(t *rapid.T) {
		type record struct{ Key, Value []byte }
		records := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) record {
			r := record{Key: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "key")}
			if rapid.Bool().Draw(t, "kept") {
				r.Value = append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value")...)
			}
			return r
		}), 1, 80).Draw(t, "records")
		e := &plain
		if rapid.Bool().Draw(t, "compressed") {
			e = &zipped
		}
		at := rapid.Int64Range(0, 1<<45).Draw(t, "time")
		b, err := e.encode(func(yield func(key, value []byte) bool) {
			for _, r := range records {
				if !yield(r.Key, r.Value) {
					return
				}
			}
		}, at)
		if err != nil {
			t.Fatal(err)
		}
		p := producer{id: rapid.Int64Min(0).Draw(t, "id"), epoch: rapid.Int16Min(0).Draw(t, "epoch"), sequence: rapid.Int32Min(0).Draw(t, "sequence")}
		b.stamp(p)

		h, err := parseBatch(b.bytes)
		if err != nil {
			t.Fatal(err)
		}
		c := cursor{b: b.bytes[atEpoch:]}
		if h.producer != p.id || c.int16() != p.epoch || c.int32() != p.sequence {
			t.Errorf("producer is not %+v", p)
		}
		var k block
		if err := k.decode(&fetchResponse{records: b.bytes}, 0, -1); err != nil {
			t.Fatal(err)
		}
		if int(b.count) != len(k.messages) || k.next != int64(len(records)) {
			t.Fatalf("%d records and %d decoded to offset %d, want %d", b.count, len(k.messages), k.next, len(records))
		}
		size := batchHeader
		for i, m := range k.messages {
			if d := cmp.Diff(records[i], record{m.Key, m.Value}); d != "" || (m.Value == nil) != (records[i].Value == nil) || m.Time != at {
				t.Fatalf("record %d at %d: %s", i, m.Time, d)
			}
			size += ChangelogSize(m.Key, m.Value)
		}
		if e == &plain && len(b.bytes) > size {
			t.Errorf("%d bytes, estimated %d", len(b.bytes), size)
		}
	})
}

func BenchmarkEncodeChangelogBatch(b *testing.B) {
	key, value := make([]byte, 40), make([]byte, 160)
	var e encoder
	b.ReportAllocs()
	for b.Loop() {
		batch, err := e.encode(func(yield func(key, value []byte) bool) {
			for range 2000 {
				if !yield(key, value) {
					return
				}
			}
		}, 1)
		if err != nil {
			b.Fatal(err)
		}
		batch.stamp(producer{id: 1})
		b.SetBytes(int64(len(batch.bytes)))
	}
}
