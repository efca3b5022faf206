package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// producer is what a broker knows a writer by: of two with the same id only
// the higher epoch may append, and a sequence is appended once.
type producer struct {
	id       int64
	epoch    int16
	sequence int32
}

// maxSequence is how many records an epoch may carry before it is renewed; a
// sequence may not outgrow 31 bits.
const maxSequence = 1 << 30

// Writer appends to one partition of a changelog as its only owner. It belongs
// to one goroutine. After an error other than a *TooLargeError it is of no use
// any more: what was sent may have been appended or not. Open finds out.
type Writer struct {
	c          *Changelog
	topic      *changelogTopic
	partition  int32
	generation int32

	producer
	next    int64 // the end of the log as this writer left it
	claimed time.Time
	encoder encoder
	broken  error
}

// claim is the value of a claim record.
type claim struct {
	Format     int    `json:"format"`
	Instance   string `json:"instance"`
	URL        string `json:"url,omitempty"`
	Generation int32  `json:"generation"`
	Time       string `json:"time"`
}

// takeOver makes this instance the partition's owner: it takes a new epoch and
// appends a claim, from whose offset on the brokers refuse the former owner.
func (c *Changelog) takeOver(ctx context.Context, t *changelogTopic, partition, generation int32) (*Writer, error) {
	w := &Writer{c: c, topic: t, partition: partition, generation: generation, next: -1, encoder: encoder{codec: c.codec}}
	if err := w.renewEpoch(ctx, producer{id: -1, epoch: -1}); err != nil {
		return nil, err
	}
	if err := w.appendClaim(ctx); err != nil {
		return nil, err
	}
	c.o.Logger.Info("partition taken over", "topic", t.source, "partition", partition, "claim", w.next-1, "producer", w.id, "epoch", w.epoch)
	return w, nil
}

// Limit returns how many bytes a batch may have; ChangelogSize estimates.
func (w *Writer) Limit() int { return w.topic.limit - batchHeader }

// Append appends the records as one record batch and returns once all in-sync
// replicas have it: the changelog offset to go on at, and the batch's time
// (unix milliseconds), which both go into the local store with the records. No
// records are no batch. The last record must be the applied offset.
//
// It wraps ErrFenced if another instance has the partition, ErrDiverged if the
// log lost records, and returns a *TooLargeError, the writer still usable, for
// a batch or a record that the topic does not take. Lost answers are asked for
// again until ctx ends; nothing is appended twice.
func (w *Writer) Append(ctx context.Context, records iter.Seq2[[]byte, []byte]) (next, at int64, err error) {
	if w.broken != nil {
		return 0, 0, w.broken
	}
	if _, _, _, err := w.Renew(ctx); err != nil {
		return 0, 0, err
	}
	b, err := w.encoder.encode(records, w.c.o.Clock().UnixMilli())
	if err == nil && b.count > 0 {
		if err = w.fits(&b); err != nil {
			return 0, 0, err
		}
		err = w.append(ctx, &b)
	}
	if err != nil {
		w.broken = err
		return 0, 0, err
	}
	return w.next, b.at, nil
}

// Renew takes a new epoch and appends a new claim when the last is older than
// RenewInterval, for brokers forget ids that are not used. Append does so too;
// Renew is for partitions without events. If renewed, next and at are to be
// stored as those of Append.
func (w *Writer) Renew(ctx context.Context) (next, at int64, renewed bool, err error) {
	if w.broken != nil {
		return 0, 0, false, w.broken
	}
	if w.c.o.Clock().Sub(w.claimed) < w.c.o.RenewInterval && w.sequence < maxSequence {
		return 0, 0, false, nil
	}
	if err := w.renew(ctx, 0); err != nil {
		w.broken = err
		return 0, 0, false, err
	}
	return w.next, w.claimed.UnixMilli(), true, nil
}

// renew takes a new epoch and claims anew. Afterwards next tells whether the
// batch in doubt, of so many records, was there before the claim: nothing of
// the old epoch can come after it.
func (w *Writer) renew(ctx context.Context, doubt int32) error {
	expected := w.next
	end, err := w.c.offset(ctx, w.topic.name, w.partition, kafkago.LastOffset)
	if err != nil {
		return err
	}
	if err := w.same(end, doubt); err != nil { // ask before fencing anyone
		return err
	}
	if err := w.renewEpoch(ctx, w.producer); err != nil {
		return err
	}
	w.next = -1
	if err := w.appendClaim(ctx); err != nil {
		return err
	}
	next := w.next
	w.next = expected
	if err := w.same(next-1, doubt); err != nil {
		return err
	}
	w.next = next
	return nil
}

// same compares the end of the log with what this writer wrote.
func (w *Writer) same(end int64, doubt int32) error {
	switch {
	case end == w.next, doubt > 0 && end == w.next+int64(doubt):
		return nil
	case end < w.next:
		return w.failed(fmt.Errorf("%w: it ends at offset %d, %d were acknowledged", ErrDiverged, end, w.next))
	}
	return w.failed(fmt.Errorf("%w: it wrote to offset %d, this one to %d", ErrFenced, end, w.next))
}

func (w *Writer) failed(err error) error {
	return fmt.Errorf("changelog %s/%d: %w", w.topic.name, w.partition, err)
}

// renewEpoch asks the coordinator for the next epoch. With a known producer it
// is refused if somebody else has got one since (Kafka 2.5 and newer).
func (w *Writer) renewEpoch(ctx context.Context, old producer) error {
	id := w.c.o.Group + "-" + w.topic.source + "-" + strconv.Itoa(int(w.partition))
	_, err := w.c.persist(ctx, w.topic.name, w.partition, func(ctx context.Context) error {
		res, err := w.c.client.api.InitProducerID(ctx, &kafkago.InitProducerIDRequest{
			TransactionalID: id, TransactionTimeoutMs: 60_000,
			ProducerID: int(old.id), ProducerEpoch: int(old.epoch),
		})
		if err == nil {
			err = res.Error
		}
		if err == nil {
			w.producer = producer{id: int64(res.Producer.ProducerID), epoch: int16(res.Producer.ProducerEpoch)}
		}
		return err
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kafkago.InvalidProducerIDMapping) && old.id >= 0:
		return w.renewEpoch(ctx, producer{id: -1, epoch: -1}) // the id was forgotten
	case fenced(err):
		return w.failed(fmt.Errorf("%w: %w", ErrFenced, err))
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return w.failed(fmt.Errorf("asking for an epoch of %s: %w", id, err))
}

func fenced(err error) bool {
	return errors.Is(err, kafkago.InvalidProducerEpoch) || errors.Is(err, kafkago.ProducerFenced)
}

func (w *Writer) appendClaim(ctx context.Context) error {
	now := w.c.o.Clock()
	value, err := json.Marshal(claim{
		Format: ChangelogFormat, Instance: w.c.o.Instance, URL: w.c.o.URL, Generation: w.generation,
		Time: now.UTC().Format(time.RFC3339Nano),
	})
	if err != nil {
		return err
	}
	b, err := (&encoder{}).encode(func(yield func(key, value []byte) bool) { yield([]byte(claimKey), value) }, now.UnixMilli())
	if err != nil {
		return err
	}
	w.claimed = now
	base, _, err := w.produce(ctx, &b)
	if err != nil {
		return w.refused(err)
	}
	if base < 0 { // the broker has it and does not say where: at the end
		end, err := w.c.offset(ctx, w.topic.name, w.partition, kafkago.LastOffset)
		if err != nil {
			return err
		}
		base = end - 1
	}
	w.advance(base, &b)
	return nil
}

// parseClaim says whether a claim is by a version that this one understands.
func parseClaim(value []byte) error {
	var c claim
	if err := json.Unmarshal(value, &c); err != nil {
		return fmt.Errorf("a claim cannot be read: %w", err)
	}
	if c.Format > ChangelogFormat {
		return fmt.Errorf("instance %q writes format %d, this version reads up to %d: upgrade it", c.Instance, c.Format, ChangelogFormat)
	}
	return nil
}

// fits checks the batch against the topic's limit.
func (w *Writer) fits(b *recordBatch) error {
	if len(b.bytes) <= w.topic.limit {
		return nil
	}
	const applied = 64 // the record that every batch ends with
	e := &TooLargeError{Topic: w.topic.name, Partition: w.partition, Size: len(b.bytes), Limit: w.topic.limit}
	if b.count <= 2 || w.encoder.codec == 0 && batchHeader+b.size+applied > w.topic.limit {
		e.Key, e.Size = bytes.Clone(b.largest), b.size+batchHeader
	}
	return e
}

// append sends a batch until it is in the log exactly once.
func (w *Writer) append(ctx context.Context, b *recordBatch) error {
	base, repeated, err := w.produce(ctx, b)
	if repeated || err != nil {
		w.encoder.forget()
	}
	if errors.Is(err, kafkago.OutOfOrderSequenceNumber) || errors.Is(err, kafkago.UnknownProducerId) {
		// The broker knows nothing of what was before: its memory of the
		// producer expired, or the log was cut. A claim shows which, and
		// whether an earlier attempt got through.
		var doubt int32
		if repeated {
			doubt = b.count
		}
		expected := w.next
		if err := w.renew(ctx, doubt); err != nil {
			return err
		}
		if repeated && w.next-1 == expected+int64(b.count) {
			return nil
		}
		b.bytes = bytes.Clone(b.bytes)
		base, _, err = w.produce(ctx, b)
	}
	if err != nil {
		return w.refused(err)
	}
	if base >= 0 && base != w.next {
		return w.same(base, 0)
	}
	w.advance(w.next, b)
	w.c.o.Appended(w.topic.source, w.partition, len(b.bytes))
	return nil
}

func (w *Writer) advance(base int64, b *recordBatch) {
	w.next = base + int64(b.count)
	w.sequence += b.count
}

// refused says what an error of a broker means.
func (w *Writer) refused(err error) error {
	switch {
	case fenced(err):
		return w.failed(fmt.Errorf("%w: %w", ErrFenced, err))
	case errors.Is(err, kafkago.OutOfOrderSequenceNumber):
		return w.failed(fmt.Errorf("%w: %w", ErrDiverged, err))
	case errors.Is(err, kafkago.MessageSizeTooLarge), errors.Is(err, kafkago.RecordListTooLarge):
		return w.failed(fmt.Errorf("a batch below the topic's limit of %d bytes was refused: was its max.message.bytes lowered? %w", w.topic.limit, err))
	}
	return w.failed(err)
}

// produce sends a batch under the writer's sequence until the broker has it or
// refuses it for good. Base is the offset that it got, below 0 if the broker
// does not say. Repeated says that an earlier attempt failed, so that it may or
// may not have got through.
func (w *Writer) produce(ctx context.Context, b *recordBatch) (base int64, repeated bool, err error) {
	b.stamp(w.producer)
	length := binary.BigEndian.AppendUint32(nil, uint32(len(b.bytes))) // kafka-go's raw set begins with it
	repeated, err = w.c.persist(ctx, w.topic.name, w.partition, func(ctx context.Context) error {
		res, err := w.c.client.api.RawProduce(ctx, &kafkago.RawProduceRequest{
			Topic: w.topic.name, Partition: int(w.partition), RequiredAcks: kafkago.RequireAll,
			RawRecords: protocol.RawRecordSet{Reader: io.MultiReader(bytes.NewReader(length), bytes.NewReader(b.bytes))},
		})
		if err == nil {
			err = res.Error
		}
		switch {
		case errors.Is(err, kafkago.DuplicateSequenceNumber):
			base = -1
			return nil
		case err != nil:
			return err
		}
		base = res.BaseOffset
		if !res.LogAppendTime.IsZero() && res.LogAppendTime.UnixMilli() > 0 {
			b.at = res.LogAppendTime.UnixMilli()
		}
		return nil
	})
	return base, repeated, err
}
