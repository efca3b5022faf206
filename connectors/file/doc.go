// Package file reads events from files and the standard input, line by line,
// and writes alerts to files and the standard output.
//
// Input reads files in order, for evaluating what was recorded; Source hands
// the same out as a connectors.Source and can follow files as they grow, are
// rotated or truncated. Each line is one message: records as kcat -J prints
// them carry their own topic, partition, offset and time; any other line is a
// message of topic "" whose offset is the line's number. What a line means is
// for the decoder to say: binary garbage passes as it is.
package file
