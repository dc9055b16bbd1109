package ledger

// accountNames are what the accounts are called that kvitt posts to by default and those
// its sample configuration uses. A company's own chart may call them otherwise.
var accountNames = map[int]string{
	1510: "Kundfordringar",
	1516: "Tvistiga kundfordringar",
	1580: "Fordringar betalleverantörer",
	1581: "Fordran Svea",
	1582: "Fordran Mollie",
	1583: "Fordran Adyen",
	1584: "Fordran Qliro",
	1585: "Fordran Klarna",
	1689: "Innehållna medel hos betalleverantör",
	1930: "Företagskonto",
	2421: "Ej inlösta presentkort",
	2611: "Utgående moms 25 %",
	2614: "Utgående moms omvänd skattskyldighet 25 %",
	2621: "Utgående moms 12 %",
	2631: "Utgående moms 6 %",
	2641: "Ingående moms",
	2645: "Beräknad ingående moms på förvärv från utlandet",
	2670: "Utgående moms OSS",
	2999: "OBS-konto",
	3001: "Försäljning 25 % moms",
	3002: "Försäljning 12 % moms",
	3003: "Försäljning 6 % moms",
	3004: "Försäljning momsfri",
	3105: "Försäljning utanför EU",
	3106: "Försäljning till annat EU-land, OSS",
	3108: "Försäljning till annat EU-land, momsfri",
	3740: "Öres- och kronutjämning",
	3960: "Valutakursvinster",
	6040: "Kontokortsavgifter",
	6064: "Avgifter faktura- och delbetalning",
	7960: "Valutakursförluster",
}

// AccountName returns what an account is called, or "" for one kvitt has no name for.
func AccountName(account int) string { return accountNames[account] }
