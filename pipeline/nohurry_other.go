//go:build !linux

package pipeline

// InNoHurry runs fn; where threads have priorities of their own it gives way to the rest of the process when GiveWay says so.
func InNoHurry(fn func()) { fn() }

// GiveWay lowers the priority of what InNoHurry is running, where threads have one.
func GiveWay() {}

// goAlike is go, with the priority of whoever calls it where threads have one.
func goAlike(fn func()) { go fn() }
