package orders

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestOrderFile(t *testing.T) {
	t.Parallel()
	list, err := Load(0)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := LoadCatalogue(1)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, p := range catalogue {
		known[p.SKU] = true
		if p.Price <= 0 || p.Stock <= 0 || p.Name == "" {
			t.Errorf("product %+v", p)
		}
	}
	ids, poison, declined, retried := map[string]bool{}, 0, 0, 0
	for _, o := range list {
		if ids[o.ID] || o.Customer == "" || o.Card == "" || len(o.Lines) == 0 {
			t.Errorf("order %+v", o)
		}
		ids[o.ID] = true
		bad := o.Currency != "EUR" || slices.ContainsFunc(o.Lines, func(l Line) bool { return !known[l.SKU] || l.Quantity < 1 })
		if bad {
			poison++
			if o.Note == "" {
				t.Errorf("order %s is poison and does not say why", o.ID)
			}
		}
		if strings.HasPrefix(o.Card, "declined") {
			declined++
		}
		if tr := o.Trouble; tr.WarehouseFails+tr.ProviderFails > 0 {
			retried++
			if max(tr.WarehouseFails, tr.ProviderFails) >= MaxReceives {
				t.Errorf("order %s fails too often to get through", o.ID)
			}
		}
	}
	if len(list) != 200 || poison != 7 || declined != 8 || retried != 20 {
		t.Errorf("%d orders, %d poison, %d declined, %d retried", len(list), poison, declined, retried)
	}
}

func TestLoadRepeatsTheFile(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 199, 200, 201, 450} {
		list, err := Load(n)
		if err != nil || len(list) != n {
			t.Fatalf("%d orders, want %d: %v", len(list), n, err)
		}
		ids := map[string]bool{}
		for _, o := range list {
			ids[o.ID] = true
		}
		if len(ids) != n {
			t.Errorf("%d different numbers among %d orders", len(ids), n)
		}
	}
}

func order(id string, lines ...Line) Order {
	return Order{ID: id, Currency: "EUR", Card: "visa-1", Lines: lines}
}

func TestWarehouse(t *testing.T) {
	t.Parallel()
	w := NewWarehouse([]Product{{SKU: "A", Price: 100, Stock: 5}, {SKU: "B", Price: 7, Stock: 1}})
	offline := order("o0", Line{"A", 1})
	offline.Trouble.WarehouseFails = 1
	tests := []struct {
		name  string
		order Order
		price int
		err   error
	}{
		{"scanner offline", offline, 0, ErrScannerOffline},
		{"scanner back", offline, 100, nil},
		{"two lines", order("o1", Line{"A", 2}, Line{"B", 1}), 207, nil},
		{"the same again", order("o1", Line{"A", 2}, Line{"B", 1}), 207, nil},
		{"sold out", order("o2", Line{"A", 1}, Line{"B", 1}), 0, ErrSoldOut},
		{"sold out over two lines", order("o3", Line{"A", 1}, Line{"A", 2}), 0, ErrSoldOut},
		{"all or none", order("o4", Line{"A", 2}), 200, nil},
		{"unknown", order("o5", Line{"C", 1}), 0, ErrUnknownProduct},
		{"quantity", order("o6", Line{"A", 0}), 0, ErrQuantity},
	}
	for _, tt := range tests { // in this order: each takes from the same stock
		price, err := w.SetAside(tt.order)
		if price != tt.price || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %d, %v", tt.name, price, err)
		}
	}
	w.Release(order("o4", Line{"A", 2}))
	w.Release(order("o4", Line{"A", 2}))
	if got := w.products["A"].Stock; got != 2 {
		t.Errorf("stock of A is %d, want 2", got)
	}
	w.Add(Product{SKU: "C", Price: 1, Stock: 1})
	if _, err := w.SetAside(order("o5", Line{"C", 1})); err != nil {
		t.Errorf("after the product was added: %v", err)
	}
}

func TestPaymentsChargeOnce(t *testing.T) {
	t.Parallel()
	p := NewPayments()
	slow, declined, foreign := order("slow"), order("declined"), order("foreign")
	slow.Trouble.ProviderFails = 2
	declined.Card = "declined-1"
	foreign.Currency = "ISK"
	for i, want := range []error{ErrProviderTimedOut, ErrProviderTimedOut, nil, nil} {
		if err := p.Authorize(slow, 10); !errors.Is(err, want) {
			t.Errorf("try %d: %v", i, err)
		}
	}
	for range 2 {
		if err := p.Authorize(declined, 10); !errors.Is(err, ErrDeclined) {
			t.Errorf("declined: %v", err)
		}
	}
	if err := p.Authorize(foreign, 10); !errors.Is(err, ErrCurrency) {
		t.Errorf("foreign: %v", err)
	}
	p.SwitchOn("ISK")
	if err := p.Authorize(foreign, 10); err != nil {
		t.Errorf("foreign: %v", err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { p.Authorize(order("busy"), 5) })
	}
	wg.Wait()
	count := map[string]int{}
	for _, c := range p.Charges() {
		count[c.Order]++
	}
	if fmt.Sprint(count) != "map[busy:1 foreign:1 slow:1]" {
		t.Errorf("charges %v", count)
	}
	if p.Repeats() != 21 {
		t.Errorf("%d repeats", p.Repeats())
	}
}

func TestBalance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		day     func(b *Book)
		charges []Charge
		want    Balance
		right   bool
	}{
		{"nothing", func(*Book) {}, nil, Balance{}, true},
		{"a good day", func(b *Book) {
			b.Submit("1")
			b.Submit("1")
			b.Submit("2")
			b.Fulfil("1")
			b.Fulfil("1")
			b.Refuse("1", ErrDeclined)
			b.Refuse("2", ErrDeclined)
		}, []Charge{{"1", 5}}, Balance{Submitted: 2, Fulfilled: 1, Refused: 1}, true},
		{"lost", func(b *Book) { b.Submit("1") }, nil, Balance{Submitted: 1, Lost: 1}, false},
		{"charged twice", func(b *Book) { b.Submit("1"); b.Fulfil("1") }, []Charge{{"1", 5}, {"1", 5}},
			Balance{Submitted: 1, Fulfilled: 1, ChargedTwice: 1}, false},
		{"not charged", func(b *Book) { b.Submit("1"); b.Fulfil("1") }, nil, Balance{Submitted: 1, Fulfilled: 1, Unpaid: 1}, false},
		{"charged in vain", func(b *Book) { b.Submit("1"); b.Refuse("1", ErrSoldOut) }, []Charge{{"1", 5}},
			Balance{Submitted: 1, Refused: 1, ChargedInVain: 1}, false},
		{"never submitted", func(b *Book) { b.Fulfil("1") }, nil, Balance{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := NewBook()
			tt.day(b)
			if got := b.Balance(tt.charges); got != tt.want || got.Right() != tt.right {
				t.Errorf("got %+v, right: %v", got, got.Right())
			}
		})
	}
}
