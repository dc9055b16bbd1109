package console

// swedish translates the console's own texts. What the ledger says about a document, its
// reasons and suggestions, is in English in both languages: it is the same text that the command line prints.
var swedish = map[string]string{}

// swedishWords translates the words of the ledger.
var swedishWords = map[string]string{}
