package file

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"invigil/connectors"
)

// Options configure an Input.
type Options struct {
	// Paths are read one after the other; "-" is Stdin. Files that begin as
	// gzip does are decompressed.
	Paths  []string
	Stdin  io.Reader
	Logger *slog.Logger // nil = none
}

// Input reads files in order, to their end. Line numbers, the offsets of lines
// that are no Kafka records, begin at 1 and go on from file to file. It belongs
// to one goroutine.
type Input struct {
	o       Options
	parser  parser
	paths   []string // not yet begun
	path    string
	lines   *lines
	close   func() error
	stdin   bool
	pending chan error // a read of the standard input that is under way
	ended   bool       // the current file is at its end
	cut     int64
	err     error
}

// Open checks that all paths can be read. Nothing is read yet.
func Open(o Options) (*Input, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if len(o.Paths) == 0 {
		return nil, errors.New("no file to read: name one, or - for the standard input")
	}
	var problems []error
	for _, path := range o.Paths {
		if path == "-" {
			if o.Stdin == nil {
				problems = append(problems, errors.New("there is no standard input to read"))
			}
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if info, err := f.Stat(); err == nil && info.IsDir() {
			problems = append(problems, fmt.Errorf("%s is a directory: name the files in it", path))
		}
		f.Close()
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &Input{o: o, paths: o.Paths, close: func() error { return nil }}, nil
}

// Close closes the file that is being read.
func (in *Input) Close() error { return in.close() }

// Cut returns how many lines were longer than 64 MiB and lost what was beyond.
func (in *Input) Cut() int64 {
	if in.lines == nil {
		return in.cut
	}
	return in.cut + in.lines.cut
}

// Read returns the next messages in the order of the input, at least one, or
// io.EOF at its end. They are valid until the next Read. When ctx ends while
// the standard input is waited for, the next Read goes on.
func (in *Input) Read(ctx context.Context) ([]connectors.Message, error) {
	p := &in.parser
	p.reset()
	for {
		if in.err != nil {
			return nil, in.err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if in.lines == nil {
			if in.err = in.open(); in.err != nil {
				continue
			}
		}
		if in.pending == nil {
			p.collect(in.lines)
			if in.ended && !p.full() {
				if line, ok := in.lines.rest(); ok {
					p.add(line)
				}
				in.err = in.finish()
			}
			if len(p.messages) > 0 {
				return p.messages, nil
			}
			if in.lines == nil {
				continue
			}
		}
		switch err := in.fill(ctx); {
		case err == nil:
		case errors.Is(err, io.EOF):
			in.ended = true
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return nil, err
		default:
			in.err = fmt.Errorf("reading %s: %w", in.path, err)
		}
	}
}

// fill reads more of the current file. The standard input may block for ever,
// so it is read beside.
func (in *Input) fill(ctx context.Context) error {
	if !in.stdin {
		return in.lines.fill()
	}
	if in.pending == nil {
		done, l := make(chan error, 1), in.lines
		go func() { done <- l.fill() }()
		in.pending = done
	}
	select {
	case err := <-in.pending:
		in.pending = nil
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// open begins the next path; io.EOF: there is none.
func (in *Input) open() error {
	if len(in.paths) == 0 {
		return io.EOF
	}
	in.path, in.paths = in.paths[0], in.paths[1:]
	in.ended, in.stdin = false, in.path == "-"
	if in.stdin {
		in.lines, in.parser.modified = newLines(in.o.Stdin, 0), 0
		return nil
	}
	f, err := os.Open(in.path)
	if err != nil {
		return err
	}
	in.close = f.Close
	in.parser.modified = 0
	if info, err := f.Stat(); err == nil {
		in.parser.modified = max(0, info.ModTime().UnixMilli())
	}
	r := bufio.NewReader(f)
	if magic, _ := r.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("%s begins as gzip does: %w", in.path, err)
		}
		in.lines = newLines(z, 0)
		return nil
	}
	in.lines = newLines(r, 0)
	return nil
}

// finish closes the current file.
func (in *Input) finish() error {
	if in.cut += in.lines.cut; in.lines.cut > 0 {
		in.o.Logger.Warn("lines longer than the limit were cut", "path", in.path, "lines", in.lines.cut, "limit_bytes", maxLine)
	}
	in.lines = nil
	err := in.close()
	in.close = func() error { return nil }
	return err
}
