package orders

import (
	"errors"
	"fmt"
	"sync"
)

// Answers of the warehouse. ErrSoldOut is final; the others may go away.
var (
	ErrSoldOut        = errors.New("sold out")
	ErrUnknownProduct = errors.New("product is not in the catalogue")
	ErrQuantity       = errors.New("quantity must be at least one")
	ErrScannerOffline = errors.New("the warehouse's scanner is offline")
)

// Warehouse keeps the stock. It is safe for concurrent use.
type Warehouse struct {
	mu       sync.Mutex
	products map[string]*Product
	aside    map[string]int // order -> its price; the stock of these orders is set aside
	tries    map[string]int // order -> attempts so far
}

// NewWarehouse fills a warehouse.
func NewWarehouse(products []Product) *Warehouse {
	w := &Warehouse{products: map[string]*Product{}, aside: map[string]int{}, tries: map[string]int{}}
	for _, p := range products {
		w.Add(p)
	}
	return w
}

// Add puts a product into the catalogue.
func (w *Warehouse) Add(p Product) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.products[p.SKU] = &p
}

// SetAside takes the order's products from the stock, all or none, and returns
// what they cost. Asking again for the same order takes nothing more.
func (w *Warehouse) SetAside(o Order) (price int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if price, done := w.aside[o.ID]; done {
		return price, nil
	}
	if w.tries[o.ID]++; w.tries[o.ID] <= o.Trouble.WarehouseFails {
		return 0, ErrScannerOffline
	}
	need := map[string]int{}
	for _, l := range o.Lines {
		p := w.products[l.SKU]
		switch {
		case p == nil:
			return 0, fmt.Errorf("%s: %w", l.SKU, ErrUnknownProduct)
		case l.Quantity < 1:
			return 0, fmt.Errorf("%s: %w", l.SKU, ErrQuantity)
		case p.Stock < need[l.SKU]+l.Quantity:
			return 0, fmt.Errorf("%s: %w", l.SKU, ErrSoldOut)
		}
		need[l.SKU] += l.Quantity
		price += p.Price * l.Quantity
	}
	for sku, n := range need {
		w.products[sku].Stock -= n
	}
	w.aside[o.ID] = price
	return price, nil
}

// Release puts an order's products back. Asking again changes nothing.
func (w *Warehouse) Release(o Order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, done := w.aside[o.ID]; !done {
		return
	}
	delete(w.aside, o.ID)
	for _, l := range o.Lines {
		w.products[l.SKU].Stock += l.Quantity
	}
}
