test_that("codes stand beside covariates that R keeps as they are", {
  skip_if_no_python()
  corpus <- tibble::tibble(
    unit_id = c("a", "b"), text = "x", party = haven::labelled(1:2, c(left = 1L, right = 2L)),
    day = as.Date("2020-01-01")
  )
  book <- at_codebook(list(tone = c("bad", "good")), kind = "ordinal")
  said <- data.frame(unit_id = "b", variable = "tone", label = "good")
  found <- at_attach(corpus, said, book, gold = said)
  expect_identical(found[c("party", "day")], corpus[c("party", "day")])
  expect_identical(found$tone, factor(c(NA, "good"), levels = c("bad", "good"), ordered = TRUE))
  expect_identical(found$tone_gold, found$tone)
  expect_false("text" %in% names(found))
  expect_error(at_attach(transform(corpus, tone = 1), said, book), "'tone' already", class = "annotune_error")
})

test_that("evaluations take factors and tables", {
  skip_if_no_python()
  truth <- factor(c("b", "a", "b"), levels = c("b", "a"))
  found <- at_evaluate(truth, factor(c("b", "b", NA)), n_boot = 0)
  expect_identical(unique(found$labels$label), c("b", "a"))
  expect_equal(glance(found)$accuracy, 1 / 3)
  expect_identical(found$confusion$predicted, c("b", NA, "b"))
  expect_error(at_evaluate(c("a", "b"), "a"), class = "annotune_error")
})

test_that("ordered labels print quadratic kappa, within the width", {
  skip_if_no_python()
  truth <- factor(c("low", "high", "medium", "high"), levels = c("low", "medium", "high"), ordered = TRUE)
  found <- at_evaluate(truth, factor(c("low", "high", "high", "high"), levels = levels(truth)), n_boot = 20)
  withr::local_options(width = 80)
  expect_match(found$words[[1]], "predicted reaches macro-F1", fixed = TRUE)
  lines <- format(found)
  expect_true(any(grepl("kappa_quadratic", lines, fixed = TRUE)))
  expect_true(all(nchar(lines) <= 80))
  expect_identical(sum(startsWith(lines, "most frequent label")), 1L)
  expect_match(lines[3], "most frequent label [0-9.]+ \\([0-9.]+ to [0-9.]+\\) ")
  told <- "Left out for lack of width: the intervals of kappa_quadratic, kappa, mcc, accuracy. tidy() has them."
  expect_identical(paste(lines[-(1:3)], collapse = " "), told)
  withr::local_options(width = 200)
  expect_length(format(found), 3)
})

test_that("what is not there yet is predicted in folds", {
  skip_if_no_python(tuning = TRUE)
  data <- coded_texts()
  data$pi <- 0.5
  data$party <- factor(rep(c("b", "a"), 20), levels = c("b", "a"))
  data$author <- rep(letters[1:8], each = 5)
  gold <- data.frame(unit_id = data$id[30:1], variable = "topic", label = as.character(data$topic[30:1]))
  book <- at_codebook(data$topic, "topic")
  corpus <- data[c("id", "question", "pi", "party", "author")]
  found <- at_evaluate(
    gold,
    corpus = corpus, codebook = book, cv = 3, group = "author", method = "probe", n_boot = 20,
    unit_id = "id", text = "question"
  )
  expect_s3_class(found, "at_evaluation")
  expect_identical(length(unique(found$measures$model)), 3L)
  expect_identical(found$data$unit_id, as.character(data$id[1:30]))
  expect_identical(found$data$party, data$party[1:30])
  expect_setequal(found$data$fold, 1:3)
  expect_true(all(tapply(found$data$fold, found$data$author, function(fold) length(unique(fold))) == 1))
  expect_equal(glance(found)$accuracy, mean(found$data$topic == found$data$topic_gold))
  expect_identical(predict(found$model, "A nurse.")$unit_id, "1")
  expect_error(at_evaluate(gold), "nothing to compare the truth with", class = "annotune_error")
  expect_error(at_evaluate(gold, gold, cv = 3), "`predicted` has no meaning", class = "annotune_error")
})

test_that("an .rds is R's own, and other files are Python's, with labels and reasons", {
  skip_if_no_python()
  data <- tibble::tibble(
    unit_id = c("1", "2", "3"), topic = factor(c("b", NA, "a"), levels = c("b", "a")),
    income = haven::labelled(
      c(1, haven::tagged_na("r"), NA), c(low = 1, refused = haven::tagged_na("r")),
      label = "Income"
    ),
    odd = list(1, 2, 3)
  )
  path <- withr::local_tempfile(fileext = c(".rds", ".dta"))
  book <- at_codebook(list(topic = c(b = 5, a = 7)))
  at_write(data, path[1])
  expect_identical(readRDS(path[1]), data)
  suppressMessages(at_write(data[-4], path, codebook = book))
  expect_identical(levels(readRDS(path[1])$topic), c("b", "a"))
  stata <- haven::read_dta(path[2])
  expect_identical(as.vector(stata$topic), c(5, NA, 7))
  expect_identical(attr(stata$income, "label"), "Income")
  expect_true(haven::is_tagged_na(stata$income[2]))
  expect_false(haven::is_tagged_na(stata$income[3]))
  expect_error(at_write(data, path[2]), "'odd' holds list", class = "annotune_error")
  expect_error(at_write(data, file.path(tempdir(), "none", "x.rds")), "cannot be written", class = "annotune_error")
  expect_error(at_write(data[-4], "x.doc"), "no writer", class = "annotune_error")
  expect_false(any(startsWith(list.files(dirname(path[1]), all.files = TRUE), ".annotune-")))
})

test_that("texts that a spreadsheet takes for formulas are guarded where that is asked", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".csv")
  changes <- suppressMessages(at_write(data.frame(note = c("=1+1", "a")), path, guard_formulas = TRUE))
  expect_identical(readLines(path), c("note", "'=1+1", "a"))
  expect_identical(changes$change, "guarded")
  at_write(data.frame(note = "=1+1"), path)
  expect_identical(readLines(path), c("note", "=1+1"))
})

test_that("labelled = TRUE keeps the codebook's codes in an .rds", {
  path <- withr::local_tempfile(fileext = ".rds")
  book <- at_codebook(list(topic = c(b = 5, a = 7)))
  at_write(data.frame(topic = c("a", NA)), path, codebook = book, labelled = TRUE)
  expect_identical(readRDS(path)$topic, haven::labelled(c(7L, NA), c(b = 5L, a = 7L)))
})

test_that("the demo is the same each time, and a study of it can be read", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  data <- at_demo(folder, n = 60, n_coded = 30)
  expect_identical(data$corpus, at_demo(n = 60, n_coded = 30)$corpus)
  expect_identical(nrow(data$coders$anna), 30L)
  corpus <- at_corpus(file.path(folder, "questions.csv"))
  expect_identical(corpus$text, data$corpus$text)
  book <- at_codebook(file.path(folder, "codebook.yaml"))
  codings <- at_codings(file.path(folder, c("coder_anna.xlsx", "coder_ben.dta")), book)
  expect_identical(unique(codings$coder), c("anna", "ben"))
})

test_that("a study runs, and what is up to date is not done again", {
  skip_if_no_python(tuning = TRUE)
  folder <- withr::local_tempdir()
  study <- at_demo(folder, n = 60, n_coded = 40)$study
  text <- gsub("base: minilm", "base: minilm, method: probe, folds: 2", readLines(study))
  text <- gsub("^regressions:.*", "sample: simple\ncorrect: \"topic == 'Health' ~ party\"", text)
  writeLines(gsub("write: .*", "write: [results.rds]", text), study)
  results <- suppressMessages(suppressWarnings(at_run(study)))
  expect_identical(nrow(results$data), 60L)
  expect_identical(names(results$evaluations), "topic")
  expect_identical(results$shares$n_corpus, rep(60L, nrow(results$shares)))
  expect_output(suppressMessages(print(results)), "held_out.*Hand-coded only, naive, and corrected.*Corrected")
  again <- suppressMessages(suppressWarnings(at_run(study, data = FALSE)))
  expect_identical(again$done[["tune topic"]] %||% unlist(again$done)[[1]], "up to date")
  expect_null(again$data)
  expect_output(suppressMessages(print(again)), "most frequent label")
  answer <- at_why(file.path(folder, "results.rds"))
  expect_identical(answer$tree[["results.rds"]]$models$topic$seed, 1L)
  expect_output(print(answer), "questions.csv: SHA-256 [0-9a-f]{16}, as recorded")
  expect_output(print(at_why(study, unit = "q00002")), "the text q00002")
  expect_output(print(at_diff(study, folder)), "Nothing differs")
  bundle <- at_bundle(study, file.path(folder, "shared.zip"), texts = "none")
  again <- suppressWarnings(at_replicate(bundle))
  expect_identical(again$state, "identical")
  expect_output(print(again), "tables were computed again: identical")
  what_if <- suppressWarnings(at_replicate(bundle, changes = list(gold.rule = "majority", gold.coder = NULL)))
  expect_true("gold" %in% names(what_if$beside))
  place <- file.path(folder, "for-zenodo")
  expect_output(expect_identical(at_share(bundle, place), place), "Texts are not in it")
  expect_identical(suppressWarnings(at_replicate(place))$state, "identical")
  expect_error(at_load("hf://user/name/of/it"), "no address of a repository", class = "annotune_error")
  expect_error(at_replicate(bundle, python = "python3"), "makes an environment", class = "annotune_error")
  verified <- at_verify(study)
  expect_true(verified$is_sound)
  expect_output(print(verified), "files are as recorded; none is changed or missing")
  writeLines("not the results", file.path(folder, "results.rds"))
  verified <- at_verify(study)
  expect_false(verified$is_sound)
  expect_identical(verified$files$file[verified$files$state == "changed"], "results.rds")
  expect_output(print(verified), "results.rds")
  expect_error(at_verify(withr::local_tempdir()), "was recorded", class = "annotune_error")
})

test_that("a file without time zones has what the clock showed", {
  skip_if_no_python()
  path <- withr::local_tempfile(fileext = ".dta")
  at_write(data.frame(unit_id = c("a", "b"), seen = as.POSIXct(c("2020-07-01 10:00:00", NA), tz = "Europe/Rome")), path)
  expect_identical(format(haven::read_dta(path)$seen), c("2020-07-01 10:00:00", NA))
})

test_that("tables of agreement say once what all rows share, and abbreviate nothing within the width", {
  skip_if_no_python()
  variable <- "policy_area_of_the_main_question"
  codings <- data.frame(
    unit_id = rep(1:20, 3), coder = rep(c("anna", "ben", "minilm-3f2a"), each = 20), variable = variable,
    label = c(rep(c("{x}", "y"), 30))
  )
  withr::local_options(width = 80)
  found <- at_pairwise_reliability(at_codings(codings), metrics = "percent", ci = "analytic")
  lines <- cli::ansi_strip(capture.output(print(found), type = "output"))
  expect_true(all(nchar(lines, "width") <= 80))
  expect_no_match(lines, "\u2026")
  told <- sprintf("variable: %s; metric: percent; level: nominal; n_pairable: 20; n_coders: 2", variable)
  expect_identical(paste(lines[1:2], collapse = " "), told)
  expect_true(any(grepl("minilm-3f2a", lines, fixed = TRUE)))
  expect_length(capture.output(print(found[c("metric", "estimate")])), 3 + 3)
})

test_that("a corrected regression is printed in R's width", {
  skip_if_no_python()
  y <- rep(c(1, 0, 1, 1, 0), 80)
  party <- rep(c("Labour", "Conservative & Unionist"), 200)
  data <- data.frame(t.party = party, y_hat = y, y_gold = ifelse(seq_along(y) %% 4 == 0, 1 - y, NA))
  fit <- at_correct(y ~ t.party, data, pi = 0.25)
  for (width in c(60, 80, 120)) {
    withr::local_options(width = width)
    lines <- capture.output(print(fit))
    expect_true(all(nchar(lines, "width") <= width))
    expect_true(any(startsWith(lines, "t.partyLabour")))
  }
  fit$object <- NULL
  expect_identical(capture.output(print(fit)), strsplit(fit$words, "\n", fixed = TRUE)[[1]])
})

test_that("labels of texts and fractions, durations and row names reach the file", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  path <- file.path(folder, c("d.sav", "d.dta"))
  data <- tibble::tibble(
    topic = haven::labelled(c("e", "h"), c(Economy = "e", Health = "h")),
    dose = haven::labelled(c(0.5, 1), c(half = 0.5, one = 1)),
    span = as.difftime(c(1, 2), units = "hours")
  )
  changes <- suppressMessages(at_write(data, path))
  again <- haven::read_sav(path[1])
  expect_identical(as.character(haven::as_factor(again$topic)), c("Economy", "Health"))
  expect_equal(attr(again$topic, "labels"), c(Economy = "e", Health = "h"))
  expect_equal(attr(again$dose, "labels"), c(half = 0.5, one = 1))
  expect_equal(as.double(haven::read_dta(path[2])$span), c(3600, 7200))
  expect_true(any(grepl("text codes became 1, 2", changes$detail)))
  named <- data.frame(n = 1:2, row.names = c("france", "spain"))
  expect_warning(at_write(named, path[2]), "row_names", class = "annotune_warning")
  expect_identical(as.character(haven::read_dta(path[2])$row_names), c("france", "spain"))
})

test_that("at_write() shows the notes of reading, and does not replace what it reads", {
  skip_if_no_python()
  path <- file.path(withr::local_tempdir(), c("latin.csv", "out.parquet"))
  writeBin(c(charToRaw("unit_id;text\na;Gr"), as.raw(c(0xf6, 0xdf)), charToRaw("e\nb;Caf"), as.raw(c(0xe9, 0x0a))), path[1])
  expect_warning(at_write(path[1], path[2]), "is not UTF-8", class = "annotune_warning")
  expect_error(at_write(path[1], path[1]), "would be replaced", class = "annotune_error")
})

test_that("two codebooks are compared field by field", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  text <- "variables: [{name: topic, kind: nominal, labels: [{code: 1, name: Health}, {code: 2, name: Law}]}]"
  paths <- file.path(folder, c("old.yaml", "new.yaml"))
  writeLines(text, paths[1])
  writeLines(sub("Law", "Justice", text), paths[2])
  difference <- at_diff(paths[1], paths[2])
  expect_identical(difference$tables$codebook$b, "Justice")
  expect_output(print(difference), "codebook:\\s+1\\s+difference")
})

test_that("a study's coefficient is estimated under other choices, drawn, and reported", {
  skip_if_no_python(tuning = TRUE)
  folder <- withr::local_tempdir()
  study <- at_demo(folder, n = 400, n_coded = 240)$study
  writeLines(gsub("base: minilm", "base: minilm, method: probe, folds: 2", readLines(study)), study)
  choices <- list(seed = 1:2, gold = c("majority", "unanimous"), cutoffs = c("share", "f1"))
  found <- suppressMessages(suppressWarnings(at_multiverse(study, choices)))
  expect_s3_class(found, "at_multiverse")
  expect_identical(as.vector(table(tidy(found)$estimator)[c("hand-coded only", "naive", "corrected")]), c(2L, 8L, 12L))
  expect_identical(found$flips$n, c(2L, 8L, 12L))
  expect_true(all(found$choices$share >= 0 & found$choices$share <= 1))
  expect_output(suppressMessages(print(found)), "party\\[opposition\\].*under 20 specifications")
  picture <- withr::local_tempfile(fileext = ".pdf")
  grDevices::pdf(picture)
  drawn <- plot(found)
  grDevices::dev.off()
  expect_identical(nrow(drawn), 12L)
  expect_false(is.unsorted(drawn$estimate))
  expect_error(plot(found, estimator = "wrong"), "no estimates by 'wrong'", class = "annotune_error")
  page <- at_report(file.path(folder, "page.html"), multiverse = found)
  expect_match(paste(readLines(page), collapse = " "), "Other choices")
  expect_error(at_multiverse(study, list(sede = 1)), "seed", class = "annotune_error")
})

test_that("a study to start from is written once, and each kind is listed", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  study <- at_new(file.path(folder, "own"), like = "sets")
  expect_match(readLines(study)[1], "yaml-language-server")
  expect_true(all(file.exists(file.path(folder, "own", c("codebook.yaml", "questions.csv", "study.schema.json")))))
  expect_identical(at_studies()$like, eval(formals(at_new)$like))
  expect_error(at_new(file.path(folder, "own")), "is not empty", class = "annotune_error")
})
