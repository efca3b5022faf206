// Command invigil turns the inventory that Wazuh agents report into alerts.
// Each verb is a file: flags, then the packages that do the work, then an exit
// code. Data goes to the standard output, messages to the standard error.
package main

import (
	"io"
	"os"
)

func main() {
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.LookupEnv}
	os.Exit(a.run(os.Args[1:]))
}

// app is what a verb may use of its surroundings.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(name string) (value string, ok bool)
}
