package rulefile

import "encoding/json"

// schema is a JSON Schema.
type schema map[string]any

// Schema returns the JSON Schema (draft 2020-12) of a rule file, for editors.
// It says what Read checks of form; what an expression means it cannot say.
func Schema() []byte {
	wazuh := object(wazuhSchemas, wazuhKeys, "id", "level", "description")
	stateful := object(statefulSchemas, statefulKeys, "id", "level", "description")
	file := object(map[string]schema{
		"dialect": about(enum(dialects...), "The language of the rules; one for a whole set of wazuh rules."),
		"lists":   listOf(object(listSchemas, listKeys, "name", "entries")),
		"tune":    listOf(object(tuneSchemas, tuneKeys, "rules")),
		"rules":   about(schema{"type": []string{"array", "null"}}, "The rules."),
	}, fileKeys)
	file["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	file["title"] = "Invigil rule file"
	file["if"] = schema{"properties": schema{"dialect": schema{"enum": []string{string(Wazuh4), string(Wazuh39)}}}, "required": []string{"dialect"}}
	file["then"] = schema{"properties": schema{"rules": schema{"items": wazuh}}}
	file["else"] = schema{"properties": schema{"rules": schema{"items": stateful}}}
	out, err := json.MarshalIndent(file, "", "  ")
	if err != nil { // maps of texts and numbers always marshal
		panic(err)
	}
	return append(out, '\n')
}

func object(properties map[string]schema, keys []string, required ...string) schema {
	props := make(schema, len(keys))
	for _, k := range keys {
		props[k] = properties[k]
	}
	s := schema{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func about(s schema, text string) schema {
	out := schema{"description": text}
	for k, v := range s {
		out[k] = v
	}
	return out
}

func enum(values ...string) schema { return schema{"enum": values} }

func listOf(item schema) schema { return schema{"type": "array", "items": item} }

func between(lo, hi int) schema { return schema{"type": "integer", "minimum": lo, "maximum": hi} }

var (
	aText     = schema{"type": []string{"string", "number", "boolean"}}
	aFlag     = schema{"type": "boolean"}
	texts     = schema{"anyOf": []schema{aText, listOf(aText)}}
	aDuration = schema{"type": "string", "pattern": `^([0-9.]+(w|d|h|m|s|ms|us|ns))+$`}
	anID      = schema{"anyOf": []schema{between(0, 999999), {"type": "string", "pattern": "^[0-9]{1,6}$"}}}
	idList    = schema{"anyOf": []schema{anID, listOf(anID)}}

	suppressSchema = about(object(map[string]schema{
		"for": about(aDuration, "How long the rule is quiet after an alert."),
		"by":  about(texts, "Fields whose values are counted apart."),
	}, suppressKeys, "for"), "Quiet time after an alert; the next one carries the number suppressed.")

	listSchemas = map[string]schema{
		"name":    about(aText, "The name that inList and listValue use."),
		"kind":    about(enum(listKinds...), "How keys are found: exactly as in a CDB list, by address prefix, or by text prefix."),
		"fold":    about(aFlag, "Whether the case of ASCII letters is ignored."),
		"entries": about(schema{"type": []string{"array", "object", "null"}}, "Keys, or keys with values."),
	}
	tuneSchemas = map[string]schema{
		"rules":    about(texts, "Ids, or patterns with *, of the rules to change."),
		"disabled": aFlag,
		"level":    between(0, 16),
		"alert":    enum(alertKinds...),
		"suppress": suppressSchema,
	}
	statefulSchemas = map[string]schema{
		"id":          about(aText, "The rule's name, unique in the set."),
		"level":       about(between(0, 16), "Severity; 0 = evaluate and remember, never alert."),
		"description": about(aText, "The alert's text; $(field) is replaced by the field's value."),
		"groups":      texts,
		"mitre":       about(texts, "ATT&CK technique ids."),
		"table":       about(aText, "The inventory table, if it cannot be told from the fields."),
		"scope":       about(enum("agent"), "agent = a rule about the whole agent."),
		"when":        about(aText, "The condition, an expr text over one row."),
		"items":       about(aText, "With scope agent: the rows that go into the alert."),
		"alert":       about(enum(alertKinds...), "onset (default) = when the condition becomes true; every = each matching event."),
		"resolve":     about(aFlag, "Whether the end of the condition is reported."),
		"correlate": object(map[string]schema{
			"count":    about(between(2, 1_000_000), "The number of matches that fires."),
			"within":   aDuration,
			"by":       about(texts, "Fields whose values are counted apart."),
			"distinct": about(aText, "Count different values of this field."),
		}, windowKeys, "count", "within"),
		"suppress": suppressSchema,
	}
	wazuhSchemas = map[string]schema{
		"id":          anID,
		"level":       about(between(0, 16), "Severity; 0 comes first among siblings and never alerts."),
		"overwrite":   about(aFlag, "Replace the rule of this id."),
		"parent":      about(object(map[string]schema{"sid": idList, "level": {"type": "integer", "minimum": 1}, "group": aText}, parentKeys), "Where the rule hangs, one of the keys; none = the category's root."),
		"category":    enum(categoryNames...),
		"decoded_as":  about(aText, "The decoder of the event."),
		"groups":      about(aText, "Group names, each followed by a comma."),
		"description": about(aText, "The alert's text; $(field) is replaced by the field's value."),
		"when":        about(aText, "Calls of osmatch, osregex, pcre2, equal, ip and cdb, joined by and."),
		"maxsize":     about(between(0, 9999), "The least size of the message in bytes."),
		"time":        about(aText, "Local time of day: 6 pm - 8:30 am."),
		"weekday":     aText, "compiled_rule": aText, "check_diff": aFlag, "if_fts": aFlag,
		"correlate": object(map[string]schema{
			"sid": anID, "group": aText, "regex": aText, "frequency": between(2, 9999), "timeframe": between(0, 99999),
			"same": texts, "different": texts, "global": about(aFlag, "Count over all agents."),
		}, correlateKeys),
		"frequency": between(2, 9999), "timeframe": between(0, 99999),
		"noalert":       about(aFlag, "Never the verdict itself, only its children."),
		"ignore":        about(between(0, 999999), "Seconds for which the parent takes over after an alert."),
		"ignore_fields": texts, "check_if_ignored": texts,
		"options":  {"anyOf": []schema{enum(optionNames...), listOf(enum(optionNames...))}},
		"accuracy": {"type": "integer"},
		"mitre":    texts, "cve": aText,
		"info": {"anyOf": []schema{aText, listOf(schema{"anyOf": []schema{aText, object(map[string]schema{"type": enum(infoTypes...), "text": aText}, infoKeys, "text")}})}},
	}
)
