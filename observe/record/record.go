// Package record keeps the latest of what is observed, in bounded memory.
package record

// Record holds the latest items that were appended to it. An item's position,
// counted from the first ever appended, never changes; the oldest items are
// forgotten when there are too many. It is not safe for concurrent use.
type Record[T any] struct {
	limit int
	// base is the position of items[0].
	base  int
	items []T
}

// New makes a record that holds at least three quarters of limit items, and at
// most limit.
func New[T any](limit int) *Record[T] { return &Record[T]{limit: limit} }

// Append adds an item. What At and Since returned before stays as it is.
func (r *Record[T]) Append(item T) {
	if len(r.items) >= r.limit {
		forget := len(r.items)/4 + 1
		r.items = append(make([]T, 0, r.limit), r.items[forget:]...)
		r.base += forget
	}
	r.items = append(r.items, item)
}

// Mark is the position of the next item to come.
func (r *Record[T]) Mark() int { return r.base + len(r.items) }

// Since are the items from a position on that are still held. The caller does
// not change them.
func (r *Record[T]) Since(mark int) []T {
	return r.items[min(max(mark-r.base, 0), len(r.items)):]
}

// Forgotten is how many items from a position on are no longer held.
func (r *Record[T]) Forgotten(mark int) int { return max(r.base-mark, 0) }

// At is the item at a position, or nil if it is not held.
func (r *Record[T]) At(i int) *T {
	if i < r.base || i >= r.Mark() {
		return nil
	}
	return &r.items[i-r.base]
}
