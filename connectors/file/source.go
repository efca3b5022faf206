package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"invigil/connectors"
)

// SourceOptions configure a Source.
type SourceOptions struct {
	Paths  []string // "-" is Stdin; none = Stdin alone
	Stdin  io.Reader
	Follow bool // go on as the files grow, are rotated or truncated
	// Positions is a file in which a following source keeps how far it has
	// read, so that a restart finds its place, in a rotated file too. "" =
	// it counts lines from the file's beginning.
	Positions string
	// Poll is how often files are looked at beside the notices of the
	// operating system, which network file systems do not give; 0 = 1 s.
	Poll   time.Duration
	Logger *slog.Logger // nil = none
}

// Source reads files as a connectors.Source.
//
// Without Follow it calls serve once, for topic "" and partition 0, with a
// Reader that gives the messages of all files in order and io.EOF at the end.
// With Follow it calls serve for each path, the path's position in Paths being
// the partition, and runs until its context ends.
//
// Lines that are Kafka records keep their own topic and partition, so one
// Reader may give messages of several. StartAt concerns the other lines: their
// offset is the line's number, which goes on over rotations.
type Source struct{ o SourceOptions }

// NewSource checks the options and, unless it follows, that the files are there.
func NewSource(o SourceOptions) (*Source, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if len(o.Paths) == 0 && o.Stdin != nil {
		o.Paths = []string{"-"}
	}
	if o.Follow {
		seen := make(map[string]bool)
		for _, path := range o.Paths {
			switch {
			case path == "-":
				return nil, errors.New("file source: the standard input cannot be followed: leave out follow")
			case seen[path]:
				return nil, fmt.Errorf("file source: %s is named twice", path)
			}
			seen[path] = true
		}
		if len(o.Paths) == 0 {
			return nil, errors.New("file source: no file to follow")
		}
		return &Source{o}, nil
	}
	in, err := Open(Options{Paths: o.Paths, Stdin: o.Stdin, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("file source: %w", err)
	}
	return &Source{o}, in.Close()
}

// Run implements connectors.Source. It returns nil at the end of the input or
// when ctx ends, else the first error of serve or of reading.
func (s *Source) Run(ctx context.Context, serve func(context.Context, connectors.Reader) error) error {
	if s.o.Follow {
		return s.follow(ctx, serve)
	}
	in, err := Open(Options{Paths: s.o.Paths, Stdin: s.o.Stdin, Logger: s.o.Logger})
	if err != nil {
		return fmt.Errorf("file source: %w", err)
	}
	defer in.Close()
	return ended(ctx, serve(ctx, inputReader{in}))
}

// ended leaves out the errors that are a regular end.
func ended(ctx context.Context, err error) error {
	if errors.Is(err, io.EOF) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (s *Source) follow(ctx context.Context, serve func(context.Context, connectors.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	positions, err := openPositions(s.o.Positions)
	if err != nil {
		return fmt.Errorf("file source: %w", err)
	}
	var serving sync.WaitGroup
	for i, path := range s.o.Paths {
		serving.Go(func() {
			t := newTail(&s.o, path, int32(i), positions)
			defer t.close()
			if err := ended(ctx, serve(ctx, t)); err != nil {
				cancel(err)
			}
		})
	}
	serving.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// inputReader is an Input as a connectors.Reader.
type inputReader struct{ *Input }

// Topic implements connectors.Reader.
func (inputReader) Topic() string { return "" }

// Partition implements connectors.Reader.
func (inputReader) Partition() int32 { return 0 }

// StartAt implements connectors.Reader.
func (r inputReader) StartAt(offset int64) { r.parser.skipTo = offset }

// Commit implements connectors.Reader. There is nothing to remember.
func (inputReader) Commit(context.Context, int64) error { return nil }
