package record

import (
	"slices"
	"testing"
)

func TestRecordForgetsTheOldest(t *testing.T) {
	r := New[int](8)
	for i := range 8 {
		if r.Mark() != i {
			t.Fatalf("mark is %d, want %d", r.Mark(), i)
		}
		r.Append(i)
	}
	before := r.Since(0)
	r.Append(8)
	if !slices.Equal(before, []int{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("what was returned changed to %v", before)
	}
	if got := r.Since(0); !slices.Equal(got, []int{3, 4, 5, 6, 7, 8}) {
		t.Errorf("it holds %v", got)
	}
	if r.Forgotten(0) != 3 || r.Forgotten(2) != 1 || r.Forgotten(3) != 0 || r.Forgotten(9) != 0 {
		t.Errorf("forgotten: %d, %d, %d, %d", r.Forgotten(0), r.Forgotten(2), r.Forgotten(3), r.Forgotten(9))
	}
	if got := r.Since(7); !slices.Equal(got, []int{7, 8}) {
		t.Errorf("since 7: %v", got)
	}
	if got := r.Since(99); len(got) != 0 {
		t.Errorf("since what is to come: %v", got)
	}
	if r.At(2) != nil || *r.At(3) != 3 || *r.At(8) != 8 || r.At(9) != nil {
		t.Error("At returns the wrong items")
	}
}

func TestRecordStaysBounded(t *testing.T) {
	r := New[int](1000)
	for i := range 10_000 {
		r.Append(i)
		if n := len(r.Since(0)); n > 1000 || i >= 1000 && n < 750 {
			t.Fatalf("%d items after %d", n, i)
		}
	}
}
