corpus_of_parties <- function() {
  data.frame(id = sprintf("%03d", 1:60), question = "Why?", party = factor(rep(c("A", "B"), 30)), size = 1:60 / 60)
}

test_that("texts are drawn with the probabilities that Python gives them", {
  skip_if_no_python()
  draw <- at_sample(
    corpus_of_parties(), 12,
    design = "stratified", strata = "party", coders = c("anna", "ben"), overlap = 0.5, blind = 0.2,
    unit_id = "id", text = "question"
  )
  expect_s3_class(draw, "at_draw")
  expect_identical(unname(c(table(draw$texts$stratum))), c(6L, 6L))
  expect_equal(unique(draw$draws$pi), 0.2)
  expect_identical(sum(draw$draws$drawn), 12L)
  expect_identical(nrow(draw$assignments), 18L)
  expect_output(print(draw), "Wave 1: 12 texts drawn from 60, with probabilities of 0.2.")
  expect_output(print(draw), "anna")
  active <- at_sample(corpus_of_parties(), 12, "active", scores = "size", floor = 0.5, unit_id = "id", text = "question")
  size <- 1:60 / 60
  expect_equal(active$draws$pi, 0.2 * (0.5 + 0.5 * size / mean(size)))
  expect_error(at_sample(corpus_of_parties(), 61, unit_id = "id", text = "question"), "cannot be drawn from the 60")
})

test_that("waves, sheets and what people coded pass through the store", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  store <- file.path(folder, "study.annotune")
  codebook <- at_codebook(list(topic = c(Health = 1, Law = 2)))
  corpus <- data.frame(unit_id = sprintf("u%02d", 1:40), text = "Why?")
  draw <- at_sample(
    corpus, 30,
    store = store, coders = "anna", write = file.path(folder, "coding_sheet.csv"), codebook = codebook
  )
  sheet <- utils::read.csv(unlist(draw$files), fileEncoding = "UTF-8-BOM")
  expect_named(sheet, c("unit_id", "coder", "text", "topic"))
  sheet$topic <- rep(c("Health", "Law"), 15)
  done <- at_record(store, at_codings(sheet, codebook))
  expect_identical(done$new, 30L)
  expect_identical(at_record(store, at_codings(sheet, codebook))$same, 30L)
  codings <- at_codings(store, codebook)
  expect_identical(unique(codings$kind), "person")
  expect_true(all(at_draws(store, of = "people")$answered))
  second <- at_sample(corpus, 5, store = store)
  expect_identical(second$wave, 2L)
  expect_length(intersect(second$texts$unit_id, draw$texts$unit_id), 0)
  expect_identical(nrow(at_draws(store)), 50L)
  gold <- at_resolve(codings)
  said <- data.frame(unit_id = corpus$unit_id, variable = "topic", label = "Law")
  for (draws in list(store, at_draws(store))) {
    table <- at_attach(corpus, said, codebook, gold = gold, draws = draws)
    expect_identical(sum(table$wave == 1, na.rm = TRUE), 30L)
    expect_equal(unique(table$pi[which(table$wave == 1)]), 0.75)
    expect_equal(unique(table$pi[is.na(table$wave)]), 0.5)
  }
  expect_identical(nrow(at_resolve(codings, coders = "anna")), 30L)
})

test_that("a study that draws says what people do next, in R's words", {
  skip_if_no_python(tuning = TRUE)
  folder <- withr::local_tempdir()
  data <- at_demo(folder, n = 60, n_coded = 20)
  study <- c("codebook: codebook.yaml", "corpus: questions.csv", "sample: {n: 20, coders: [anna]}")
  writeLines(study, file.path(folder, "own.yaml"))
  expect_output(
    expect_null(at_run(file.path(folder, "own.yaml"))),
    "anna codes 20 in .*coding_sheet_anna.xlsx.*go on with: at_run\\(\".*own.yaml\"\\)"
  )
})
