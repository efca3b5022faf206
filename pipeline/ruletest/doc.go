// Package ruletest proves rules right before they are put to use: rule tests,
// ordered events on a test clock with the alerts that they must give, and
// comparisons of what a Wazuh manager alerted with what Invigil says of the
// same recorded traffic.
//
// Both drive the real pipeline over a store in memory, so that what a test or a
// comparison says holds for the service too. Neither reads the clock: two runs
// give the same answer.
package ruletest
