# The study in R: study.R FOLDER N N_CODED SEED. Every table it makes is kept in FOLDER/tables for the comparison.
library(annotune)

arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
size <- as.integer(arguments[-1])
demo <- at_demo(folder, n = size[1], n_coded = size[2], seed = size[3])
setwd(folder)
source(Sys.getenv("KEEP"))

keep(demo$corpus, "demo_corpus")
keep(demo$truth, "demo_truth")
for (coder in names(demo$coders)) keep(demo$coders[[coder]], paste0("demo_", coder))

book <- at_codebook("codebook.yaml")
corpus <- at_corpus("questions.csv")
codings <- at_codings(c("coder_anna.xlsx", "coder_ben.dta", "coder_carla.csv"), book)
pair <- at_codings(c("coder_anna.xlsx", "coder_ben.dta"), book)
keep(codings, "codings")

keep(at_reliability(pair, codebook = book, n_boot = 200), "reliability")
keep(at_reliability(codings, codebook = book, metrics = c("percent", "alpha", "ac1"), ci = "analytic"), "analytic")
keep(at_pairwise_reliability(codings, codebook = book, n_boot = 200), "pairs")
keep(at_category_reliability(pair, codebook = book, n_boot = 200), "categories")
keep(at_coder_quality(codings, codebook = book, n_boot = 200), "coders")
keep(at_compare_reliability(codings, "carla", codebook = book, n_boot = 200), "compare")
keep(at_replacement_test(codings, "carla", codebook = book, epsilon = 0.1, n_boot = 200), "replacement")

gold <- at_resolve(codings, rule = "adjudicated", coder = "carla", codebook = book)
keep(gold, "gold")
keep(at_resolve(pair, ties = "first", codebook = book), "majority")
keep(at_resolve(codings, rule = "dawid_skene", codebook = book), "dawid_skene")

model <- at_tune(corpus, gold, book, test = 0.3, epochs = 1, n_boot = 100, seed = 1)
keep(tidy(model), "tuned")
coded <- at_classify(model, corpus)
keep(coded, "classified")
keep(tidy(at_evaluate(gold, coded, codebook = book, corpus = corpus, n_boot = 100)), "evaluation")
validated <- at_evaluate(
  gold,
  codebook = book, corpus = corpus, cv = 2, group = "district", method = "probe", n_boot = 50
)
keep(tidy(validated), "cross_validated")
keep(validated$data, "predicted")
at_save(model, "model")
at_classify(model, "questions.csv", path = "coded.parquet")

attached <- at_attach(corpus, coded, book, gold)
keep(attached, "attached")
invisible(at_write(attached, c("written.dta", "written.rds"), codebook = book))

results <- at_run("quick.yaml")
keep(results$data, "study")
