package file

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// fingerprintBytes is how much of a file's head tells it from its successor
// under the same path.
const fingerprintBytes = 1024

// emptySum is the fingerprint of no bytes.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb924"

// position is how far a followed file was read.
type position struct {
	Offset int64  `json:"offset"` // bytes
	Line   int64  `json:"line"`   // number of the last line before it
	Head   int64  `json:"head"`   // bytes of the file's head that Sum is about
	Sum    string `json:"sum"`
}

// fingerprint returns the sum of the first n bytes of a file.
func fingerprint(r io.ReaderAt, n int64) (string, error) {
	h := sha256.New()
	if m, err := io.Copy(h, io.NewSectionReader(r, 0, n)); err != nil {
		return "", err
	} else if m < n {
		return "", io.ErrUnexpectedEOF
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// in reports whether the position is one of the file at path.
func (p position) in(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() < p.Offset {
		return false
	}
	sum, err := fingerprint(f, p.Head)
	return err == nil && sum == p.Sum
}

// positions is the file of positions by path. A nil file name keeps nothing.
type positions struct {
	mu   sync.Mutex
	path string
	all  map[string]position
}

func openPositions(path string) (*positions, error) {
	p := &positions{path: path, all: make(map[string]position)}
	if path == "" {
		return p, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p.all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the positions of followed files in %s (remove it to begin anew): %w", path, err)
	}
	return p, nil
}

func (p *positions) get(path string) (position, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.all[path]
	return at, ok
}

// set writes the whole file anew and puts it in place of the old one.
func (p *positions) set(path string, at position) error {
	if p.path == "" {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all[path] == at {
		return nil
	}
	p.all[path] = at
	b, err := json.MarshalIndent(p.all, "", "  ")
	if err != nil {
		return err
	}
	next := p.path + ".next"
	if err := write(next, append(b, '\n')); err != nil {
		return fmt.Errorf("writing the positions of followed files: %w", err)
	}
	if err := os.Rename(next, p.path); err != nil {
		return fmt.Errorf("writing the positions of followed files: %w", err)
	}
	return syncDir(filepath.Dir(p.path))
}

// write creates a file and makes it durable.
func write(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes what was created or renamed in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
