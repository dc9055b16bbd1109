// Package all lists the connectors. The list is the truth: a connector that is not here
// does not exist, and adding one is this line and its folder.
package all

import (
	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/adyen"
	"github.com/kvitt/kvitt/extract/centra"
	"github.com/kvitt/kvitt/extract/klarna"
	"github.com/kvitt/kvitt/extract/mollie"
	"github.com/kvitt/kvitt/extract/qliro"
	"github.com/kvitt/kvitt/extract/shopify"
	"github.com/kvitt/kvitt/extract/svea"
	"github.com/kvitt/kvitt/extract/woocommerce"
)

// Sources returns every source, in name order.
func Sources() []extract.Source {
	return []extract.Source{
		adyen.Source(),
		centra.Source(),
		klarna.Source(),
		mollie.Source(),
		qliro.Source(),
		shopify.Source(),
		svea.Source(),
		woocommerce.Source(),
	}
}
