// Package sie reads SIE files of types 1 to 4 and writes vouchers as SIE 4I, the
// format every Swedish ledger imports. Target keeps one file per post and fiscal
// year; a file is the receipt of its vouchers.
//
// Amounts are in minor units of the file's currency, debit > 0, credit < 0. Files
// are written in code page 437 with CRLF and a checksum. Files are read as they
// are found: also in UTF-8 or Latin-1 in spite of what they declare, with LF, with
// labels in any case.
//
// Source: SIE filformat, utgåva 4B, 2008-09-30 (https://sie.se). Section numbers
// in this package refer to it.
package sie
