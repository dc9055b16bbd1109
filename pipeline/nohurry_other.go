//go:build !linux

package pipeline

// InNoHurry runs fn; where threads have priorities of their own it gives way to everything else in the process.
func InNoHurry(fn func()) { fn() }

// goAlike is go, with the priority of whoever calls it where threads have one.
func goAlike(fn func()) { go fn() }
