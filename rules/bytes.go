package rules

import "encoding/binary"

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
