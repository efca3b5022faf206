package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// instanceFile is the file of a state directory that tells who runs on it.
const instanceFile = "instance.json"

// instance is what a running service tells other processes of its machine. It
// holds a token: the file is for its owner only.
type instance struct {
	URL     string    `json:"url,omitempty"` // "" = it has no listener
	Token   string    `json:"token,omitempty"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Version string    `json:"version"`
	// Certificate is the SHA-256 of the listener's certificate, hexadecimal,
	// "" = it is no HTTPS. Nothing else is trusted.
	Certificate string `json:"certificate_sha256,omitempty"`
}

// newToken returns a token that nobody can guess.
func newToken() string { return rand.Text() }

// write puts the file into a state directory, in one step.
func (i *instance) write(dir string) error {
	data, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, instanceFile+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("tell who runs here: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, instanceFile))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("tell who runs here: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// removeInstance removes the file of a service that stops.
func removeInstance(dir string) error {
	err := os.Remove(filepath.Join(dir, instanceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// readInstance reads who runs on a state directory.
func readInstance(dir string) (*instance, error) {
	path := filepath.Join(dir, instanceFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	i := new(instance)
	if err := json.Unmarshal(data, i); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return i, nil
}

// localURL is the address under which this machine reaches a listener.
func localURL(addr string, tls bool) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

// certificateSum returns the SHA-256 of the first certificate of a PEM file.
func certificateSum(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return "", fmt.Errorf("%s: no PEM certificate", path)
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:]), nil
}
