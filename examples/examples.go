// Package examples holds rules, lists, sample events and a configuration as
// files to read and to run, embedded for the demo:
//
//	rules/seed.xml   two Wazuh rules: a Docker interface that is up, an
//	                 unexpected peer of the manager
//	rules/seed.yml   the same two in the invigil dialect
//	pack/            rules to switch on the first day, with their tests
//	tests/           tests of both, for `invigil test`
//	lists/           the CDB list that the second rule looks up
//	events/          a small fleet's events as kcat -J prints them, and the two
//	                 stories as lines of archives.log
//	invigil.yml      a configuration for `invigil run`
package examples

import "embed"

// Files are the example files by their paths in this directory.
//
//go:embed rules pack tests lists events invigil.yml
var Files embed.FS
