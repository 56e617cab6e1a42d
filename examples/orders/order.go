package orders

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// Order is what a customer sends.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	City     string `json:"city"`
	Currency string `json:"currency"`
	Card     string `json:"card"`
	Lines    []Line `json:"lines"`
	Note     string `json:"note,omitempty"`
	// Trouble says what goes wrong on this order's way; see README.md.
	Trouble Trouble `json:"trouble,omitzero"`
}

// Line is one product of an order.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Trouble is the bad luck that is written into the order file, so that every
// run meets the same.
type Trouble struct {
	WarehouseFails   int  `json:"warehouse_fails,omitempty"`    // the first attempts at setting stock aside fail
	ProviderFails    int  `json:"provider_fails,omitempty"`     // the first attempts at charging the card fail
	CrashAfterCharge bool `json:"crash_after_charge,omitempty"` // a worker dies between charging and deleting its message
	SubmittedTwice   bool `json:"submitted_twice,omitempty"`    // the customer clicks twice
}

// Product is one thing that the shop sells. Price is in cents.
type Product struct {
	SKU   string `json:"sku"`
	Name  string `json:"name"`
	Price int    `json:"price"`
	Stock int    `json:"stock"`
}

//go:embed orders.json
var ordersFile []byte

//go:embed catalogue.json
var catalogueFile []byte

// Load reads n orders from the order file. When n is more than the file holds
// it begins again, with new order numbers; 0 means as many as the file holds.
func Load(n int) ([]Order, error) {
	var list []Order
	if err := json.Unmarshal(ordersFile, &list); err != nil {
		return nil, fmt.Errorf("reading orders.json: %w", err)
	}
	if n <= 0 {
		return list, nil
	}
	file := list
	for len(list) < n {
		again := file[len(list)%len(file)]
		again.ID = fmt.Sprintf("order-%04d", len(list)+1)
		list = append(list, again)
	}
	return list[:n], nil
}

// LoadCatalogue reads what the shop sells. times multiplies the stock.
func LoadCatalogue(times int) ([]Product, error) {
	var list []Product
	if err := json.Unmarshal(catalogueFile, &list); err != nil {
		return nil, fmt.Errorf("reading catalogue.json: %w", err)
	}
	for i := range list {
		list[i].Stock *= max(1, times)
	}
	return list, nil
}
