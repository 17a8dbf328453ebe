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

test_that("a file whose columns have other names is drawn from as a data frame is", {
  skip_if_no_python()
  file <- withr::local_tempfile(fileext = ".csv")
  utils::write.csv(corpus_of_parties(), file, row.names = FALSE)
  drawn_by <- function(corpus) at_sample(corpus, 12, "stratified", "party", unit_id = "id", text = "question")
  expect_identical(drawn_by(file)$draws$drawn, drawn_by(corpus_of_parties())$draws$drawn)
  expect_error(at_sample(file, 12, unit_id = "ids", text = "question"), "ids")
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
  expect_named(sheet, c("unit_id", "coder", "text", "topic", "row_check"))
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

test_that("sheets are written of what is left", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  store <- file.path(folder, "study.annotune")
  codebook <- at_codebook(list(topic = c(Health = 1, Law = 2)))
  corpus <- data.frame(id = sprintf("u%02d", 1:40), question = "Why?", party = "A")
  draw <- at_sample(corpus, 30, store = store, coders = c("anna", "ben"), show = "party", unit_id = "id", text = "question")
  first <- draw$assignments$unit_id[draw$assignments$coder == "anna"][1:3]
  at_record(store, at_codings(data.frame(unit_id = first, coder = "anna", topic = "Law"), codebook))
  paths <- at_sheets(store, corpus, file.path(folder, "left.csv"), codebook, unit_id = "id", text = "question")
  expect_named(paths, c("anna", "ben"))
  left <- utils::read.csv(paths[["anna"]], fileEncoding = "UTF-8-BOM")
  expect_named(left, c("unit_id", "coder", "party", "text", "topic", "row_check"))
  expect_identical(nrow(left), 12L)
  expect_length(intersect(left$unit_id, first), 0)
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

test_that("rounds say what is due in R's words, and are drawn, printed and reported", {
  skip_if_no_python(tuning = TRUE)
  folder <- withr::local_tempdir()
  data <- at_demo(folder, n = 240, n_coded = 20)
  study <- file.path(folder, "own.yaml")
  rounds <- "{rounds: {n: 40, first: 80, evaluation: 30, coders: [anna], write: sheet.csv}}"
  writeLines(c(
    "codebook: codebook.yaml", "corpus: questions.csv", paste("sample:", rounds), "reliability: {n_boot: 100}",
    "tune: {variable: topic, method: probe, folds: 2}", "correct: {formulas: [\"topic == 'Economy' ~ party\"]}"
  ), study)
  expect_output(print(at_round(study)), "Round 1: 80 texts.*at_round\\(\".*own.yaml\"\\)")
  truth <- utils::read.csv(file.path(folder, "truth.csv"), colClasses = "character")
  for (path in Sys.glob(file.path(folder, "sheet_*_anna.csv"))) {
    sheet <- utils::read.csv(path, fileEncoding = "UTF-8-BOM", colClasses = "character")
    sheet$topic <- truth$topic[match(sheet$unit_id, truth$unit_id)]
    utils::write.csv(sheet, path, row.names = FALSE)
  }
  done <- suppressWarnings(at_round(study))
  expect_s3_class(done, "at_rounds")
  expect_identical(done$table$n_coded, 80L)
  expect_identical(tidy(done)$n_evaluation, 30L)
  expect_true(done$coefficients$expected_width[2] < done$coefficients$conf_high[2] - done$coefficients$conf_low[2])
  expect_output(print(done), "at_round\\(\".*own.yaml\",\\s+another = TRUE\\)")
  expect_output(print(done), "40 more codings are expected to narrow")
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(plot(done)$round, 1L)
  page <- at_report(file.path(folder, "rounds.html"), rounds = done)
  expect_match(paste(readLines(page, warn = FALSE), collapse = ""), "Rounds were decided on the texts")
})
