// Package all lists the connectors. The list is the truth: a connector that is not here
// does not exist, and adding one is this line and its folder.
package all

import (
	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/adyen"
	"github.com/kvitt/kvitt/extract/klarna"
	"github.com/kvitt/kvitt/extract/shopify"
)

// Sources returns every source, in name order.
func Sources() []extract.Source {
	return []extract.Source{
		adyen.Source(),
		klarna.Source(),
		shopify.Source(),
	}
}
