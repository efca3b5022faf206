package source

import (
	"math"
	"reflect"
	"strings"
	"time"
)

// Decoder is a type that decodes itself. It reports to the node what is wrong.
type Decoder interface{ DecodeYAML(n *Node) }

// Decode fills the value that v points to from the node, strictly: a struct
// takes its keys from the tags yaml:"name" (a field without a tag or with "-"
// is not decoded, yaml:",inline" takes the keys of a struct as its own), and
// an unknown key, a key that stands twice or a value of the wrong type is
// reported at its place. Types are bool, string, integers, floats,
// time.Duration, structs, pointers, slices, maps with text keys, and Decoders.
// A key without a value leaves its field as it is, and so does an absent one:
// set defaults before. A Go type that cannot be decoded panics.
func (n *Node) Decode(v any) { n.decode(reflect.ValueOf(v).Elem()) }

// Decode reads f and decodes it into v, which must be a pointer to a struct;
// it returns all problems of the file.
func Decode(f File, v any) Diagnostics {
	y := ParseYAML(f)
	if root := y.Root(); root != nil {
		root.Decode(v)
	}
	return y.Diagnostics()
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	decoderType  = reflect.TypeFor[Decoder]()
)

func (n *Node) decode(v reflect.Value) {
	if reflect.PointerTo(v.Type()).Implements(decoderType) {
		v.Addr().Interface().(Decoder).DecodeYAML(n)
		return
	}
	if n.IsNull() {
		return
	}
	if v.Type() == durationType {
		if d, ok := n.Duration(); ok {
			v.SetInt(int64(d))
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		n.decode(v.Elem())
	case reflect.String:
		if s, ok := n.Text(); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		if b, ok := n.Bool(); ok {
			v.SetBool(b)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := v.Type().Bits()
		if i, ok := n.Int(math.MinInt64>>(64-bits), math.MaxInt64>>(64-bits)); ok {
			v.SetInt(i)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if i, ok := n.Int(0, int64(uint64(math.MaxUint64)>>max(1, 64-v.Type().Bits()))); ok {
			v.SetUint(uint64(i))
		}
	case reflect.Float32, reflect.Float64:
		if f, ok := n.Float(); ok {
			v.SetFloat(f)
		}
	case reflect.Slice:
		n.decodeSlice(v)
	case reflect.Map:
		n.decodeMap(v)
	case reflect.Struct:
		n.decodeStruct(v)
	default:
		panic("source: cannot decode into " + v.Type().String())
	}
}

func (n *Node) decodeSlice(v reflect.Value) {
	if n.IsScalar() && v.Type().Elem().Kind() == reflect.String {
		if s, ok := n.Text(); ok {
			v.Set(reflect.Append(reflect.MakeSlice(v.Type(), 0, 1), reflect.ValueOf(s).Convert(v.Type().Elem())))
		}
		return
	}
	items, ok := n.Items()
	if !ok {
		return
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if item.IsNull() {
			item.wrong("a value")
			continue
		}
		item.decode(out.Index(i))
	}
	v.Set(out)
}

func (n *Node) decodeMap(v reflect.Value) {
	m, ok := n.Mapping()
	if !ok {
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(m.Pairs))
	for _, p := range m.Pairs {
		value := reflect.New(v.Type().Elem()).Elem()
		p.Value.decode(value)
		out.SetMapIndex(reflect.ValueOf(p.Key).Convert(v.Type().Key()), value)
	}
	v.Set(out)
}

func (n *Node) decodeStruct(v reflect.Value) {
	fields := make(map[string]reflect.Value)
	var names []string
	structFields(v, fields, &names)
	if len(names) == 0 { // a mapping that has no keys: {}
		names = []string{""}
	}
	m, _ := n.Mapping(names...)
	for _, p := range m.Pairs {
		if f, ok := fields[p.Key]; ok {
			p.Value.decode(f)
		}
	}
}

func structFields(v reflect.Value, fields map[string]reflect.Value, names *[]string) {
	for i := range v.NumField() {
		tag, ok := v.Type().Field(i).Tag.Lookup("yaml")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case !ok || name == "-":
		case options == "inline":
			structFields(v.Field(i), fields, names)
		default:
			fields[name] = v.Field(i)
			*names = append(*names, name)
		}
	}
}
