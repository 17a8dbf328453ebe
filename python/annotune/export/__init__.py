"""Files that Stata, R, SPSS and spreadsheets open with labels, notes and missing codes intact."""
