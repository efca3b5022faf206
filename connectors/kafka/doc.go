// Package kafka connects the pipeline to Kafka (2.1 to 4.x): Source hands out
// the partitions of a consumer group, Replay reads a topic from a point in
// time to its end, Sink produces what the pipeline emits.
//
// Kafka does the distributing: membership and assignment are those of a
// classic consumer group, kept by kafka-go. The reading is our own, one fetch
// request a partition: batches are walked as they stand in the log, so holes
// left by compaction are crossed, records of aborted transactions left out,
// broker times honoured, and a batch that cannot be read stops its partition
// instead of vanishing. Where a partition begins is decided by the pipeline's
// own state (Reader.StartAt); the offset committed to Kafka is written for lag
// tools and used only where no state exists.
//
// Nothing here is dropped silently: what retention deleted before it was read
// and what a truncated or recreated topic means is counted through Hooks and
// decided by SourceOptions.
package kafka
