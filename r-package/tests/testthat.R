library(testthat)
library(annotune)

test_check("annotune")
