package pattern

import "strings"

// GroupWord is the matcher of if_group: a rule's group text is searched for a
// pattern's alternatives. It is a value; the zero GroupWord never matches.
type GroupWord struct {
	alternatives []string // folded
}

// CompileGroupWord compiles an if_group text. Every text is accepted.
func CompileGroupWord(pattern string) GroupWord {
	if pattern == "" {
		return GroupWord{}
	}
	return GroupWord{strings.Split(foldASCII(pattern), "|")}
}

// Match tells whether an alternative is found in a rule's group text: at its
// start if the alternative begins with "^", anywhere else. An empty alternative
// matches only as the last one; one further on is sought, as in the original,
// as the "|" that followed it plus the next alternative. Letters fold.
func (g GroupWord) Match(groups string) bool {
	for i, alt := range g.alternatives {
		last := i == len(g.alternatives)-1
		var lit Literal
		switch {
		case alt == "" && last:
			return true
		case alt == "":
			if i+2 >= len(g.alternatives) {
				continue
			}
			lit = Literal{Contains, "|" + g.alternatives[i+1]}
		case alt[0] == '^':
			lit = Literal{Prefix, alt[1:]}
		case groups == "":
			continue
		default:
			lit = Literal{Contains, alt}
		}
		if lit.in(groups, true) {
			return true
		}
	}
	return false
}
