# What comes after coding, in R: corrections.R FOLDER, where coded.rds is.
library(annotune)

setwd(commandArgs(trailingOnly = TRUE)[1])
source(Sys.getenv("KEEP"))
data <- readRDS("coded.rds")

keep(at_correct(topic == "Health" ~ party + year, data)$estimates, "dsl")
keep(at_correct(topic == "Health" ~ party + year, data, cluster = "district")$estimates, "clustered")
keep(at_correct(topic == "Health" ~ party + year, data, cluster = c("district", "region"))$estimates, "two_ways")
keep(at_correct(topic == "Health" ~ party, data, model = "logit")$estimates, "logit")
keep(at_correct(topic == "Health" ~ party, data, method = "ppi")$estimates, "ppi")
keep(at_correct(topic == "Health" ~ party, data, wave = "drawn_in")$estimates, "waves")
keep(at_prevalence(data, methods = "dsl", wave = "drawn_in"), "shares")
expected <- at_correct(topic == "Health" ~ party, data, codings = at_codings("crowd.csv"), coders = "any")
keep(expected$estimates, "coders")
weighed <- at_correct(topic == "Health" ~ party, data, method = "auto", prediction = "recalibrated")
keep(weighed$estimates, "auto")
keep(weighed$balance$rows, "balance")
keep(weighed$sensitivity, "sensitivity")
keep(at_prevalence(data, by = "party", n_boot = 50, of = "population"), "prevalence")
keep(at_error_model(data, c("party", "year"), label = "Health")$effects, "errors")

columns <- at_dsl_columns(data, "topic", label = "Health")
keep(columns[c("unit_id", "coded", "pi", "y_gold", "y_hat", "dsl_y")], "columns")

# R's own least squares and sandwich, on the column that Python's writer put into the file for R.
written <- readRDS("corrected.rds")
fit <- stats::lm(dsl_y ~ party + year, written)
robust <- sandwich::vcovHC(fit, type = "HC0")
clustered <- sandwich::vcovCL(fit, cluster = written$district, type = "HC0", cadjust = FALSE)
own <- data.frame(estimate = stats::coef(fit), robust = sqrt(diag(robust)), clustered = sqrt(diag(clustered)))
keep(own, "sandwich")
