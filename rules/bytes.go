package rules

import (
	"encoding/binary"
	"errors"
)

// memoryFormat is the format byte that every record of rule memory begins with.
const memoryFormat = 1

var (
	// errMemory tells that a record cannot be read.
	errMemory      = errors.New("rule memory is damaged: restore the state from a snapshot or its changelog")
	errNewerMemory = errors.New("rule memory was written by a newer version: use that one")
)

// openRecord returns what stands in a record of rule memory behind its format
// byte.
func openRecord(value []byte) (byteReader, error) {
	switch {
	case len(value) == 0 || value[0] == 0:
		return byteReader{}, errMemory
	case value[0] > memoryFormat:
		return byteReader{}, errNewerMemory
	}
	return byteReader{b: value[1:]}, nil
}

// byteReader reads the numbers and strings of a stored value; after damage it
// is bad and reads zeroes.
type byteReader struct {
	b   []byte
	bad bool
}

func (r *byteReader) fail() { r.bad, r.b = true, nil }

// skip goes on behind a number of n bytes; none means damage.
func (r *byteReader) skip(n int) {
	if n <= 0 {
		r.fail()
		return
	}
	r.b = r.b[n:]
}

func (r *byteReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skip(n)
	return v
}

func (r *byteReader) int() int64 {
	v, n := binary.Varint(r.b)
	r.skip(n)
	return v
}

// fixed reads a number of eight bytes, the highest first.
func (r *byteReader) fixed() uint64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

// len reads a length. Each element takes at least a byte, so that damage cannot
// ask for more memory than there are bytes.
func (r *byteReader) len() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *byteReader) string() string {
	n := r.len()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *byteReader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}
