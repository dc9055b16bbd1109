package sie

import (
	"fmt"
	"hash/crc32"
	"strconv"
)

// A ChecksumState says what is known about a file from its #KSUMMA.
type ChecksumState string

const (
	ChecksumNone        ChecksumState = "none"        // the file carries no sum
	ChecksumOK          ChecksumState = "ok"          // what it holds is what it declares
	ChecksumMismatch    ChecksumState = "mismatch"    // it does not
	ChecksumPlaceholder ChecksumState = "placeholder" // the sum declared is the example 123456789
	ChecksumMissing     ChecksumState = "missing"     // announced, but not there: the file is cut off
)

// A Checksum is the #KSUMMA of a file (section 10).
type Checksum struct {
	State    ChecksumState
	Declared uint32 // what the file says
	Computed uint32 // over what the file holds, in code page 437
	Outside  int    // records the sum does not cover, other than #FLAGGA; 0 without a sum
}

// placeholder is written by programs that copied the record from an example.
const placeholder = 123456789

// A ksumma adds up records: CRC-32 with the IEEE polynomial, initial and final
// inversion, over labels and values. Blanks between fields, enclosing quotes, braces,
// line ends and the backslash of \" are left out (sections 10.11 to 10.14).
type ksumma struct {
	convert func([]byte) []byte // to code page 437; nil: the bytes as they are
	crc     uint32
}

func (k *ksumma) add(r record) {
	k.bytes(r.label)
	for _, f := range r.fields {
		k.bytes(f.value)
		for _, v := range f.list {
			k.bytes(v)
		}
	}
}

func (k *ksumma) bytes(b []byte) {
	if k.convert != nil {
		b = k.convert(b)
	}
	k.crc = crc32.Update(k.crc, crc32.IEEETable, b)
}

// verifyChecksum compares the sum that a file declares with the one of its records.
// The file's first #KSUMMA opens the sum and the second closes it; a single one with
// a number has nothing to close and is no sum.
//
// A file converted to another character set is right if its sum is right for code
// page 437, as the specification has it, or for the bytes as they lie there, as a
// program that writes UTF-8 would have computed it.
//
// Errors: *Error wrapping ErrTruncated, ErrChecksum or ErrSyntax. A placeholder is no
// error.
func verifyChecksum(rs []record, set Charset) (Checksum, error) {
	first, last := -1, -1
	for i, r := range rs {
		if r.name() != "#KSUMMA" {
			continue
		}
		if first < 0 {
			first = i
		} else {
			last = i
			break
		}
	}
	switch {
	case first < 0, last < 0 && len(rs[first].fields) > 0:
		return Checksum{State: ChecksumNone}, nil
	case last < 0:
		return Checksum{State: ChecksumMissing}, &Error{
			Line: rs[first].line, Label: "#KSUMMA", What: "the closing checksum is missing", Err: ErrTruncated}
	}
	var c Checksum
	sum, raw := ksumma{convert: set.toCP437}, ksumma{}
	for i, r := range rs {
		switch {
		case i > first && i < last:
			sum.add(r)
			raw.add(r)
		case i != first && i != last && r.name() != "#FLAGGA":
			c.Outside++
		}
	}
	declared, err := parseSum(rs[last])
	if err != nil {
		return Checksum{}, &Error{Line: rs[last].line, Label: "#KSUMMA", What: err.Error(), Err: ErrSyntax}
	}
	c.Declared, c.Computed = declared, sum.crc
	switch {
	case declared == sum.crc, declared == raw.crc:
		c.State = ChecksumOK
	case declared == placeholder:
		c.State = ChecksumPlaceholder
	default:
		c.State = ChecksumMismatch
		return c, &Error{Line: rs[last].line, Label: "#KSUMMA",
			What: fmt.Sprintf("declared %d, computed %d", c.Declared, c.Computed), Err: ErrChecksum}
	}
	return c, nil
}

// parseSum reads the closing record. Programs with signed integers write a negative
// number for sums from 2³¹.
func parseSum(r record) (uint32, error) {
	if len(r.fields) == 0 {
		return 0, fmt.Errorf("no sum")
	}
	s := string(r.fields[0].value)
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return uint32(n), nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a 32-bit number", s)
	}
	return uint32(int32(n)), nil
}
