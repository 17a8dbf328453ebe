page_of <- function(...) {
  path <- withr::local_tempfile(fileext = ".html", .local_envir = parent.frame())
  expect_identical(at_report(path, ...), path)
  paste(readLines(path, encoding = "UTF-8"), collapse = "\n")
}

test_that("a comparison and an evaluation cross as the tables that they are", {
  skip_if_no_python(tuning = TRUE)
  gold <- data.frame(unit_id = as.character(1:20), label = rep(c("x", "y"), 10))
  said <- transform(gold, label = replace(label, 3:5, "x"))
  found <- at_compare(list(dictionary = said), gold, n_boot = 100)
  evaluation <- at_evaluate(gold$label, said$label, name = "my dictionary", n_boot = 100)
  page <- page_of(compare = found, model = evaluation, title = "A page <b>")
  expect_match(page, "A page &lt;b&gt;", fixed = TRUE)
  expect_match(page, "Comparison of coders", fixed = TRUE)
  expect_match(page, "my dictionary reaches macro-F1", fixed = TRUE)
  expect_false(grepl("<script|https?:", page))
  kept <- withr::local_tempfile(fileext = ".rds")
  saveRDS(found, kept) # tables are all there is to it: it may come from another session
  expect_identical(page_of(compare = readRDS(kept)), page_of(compare = found))
})

test_that("the same model gives the page that Python gives", {
  skip_if_no_python(tuning = TRUE)
  data <- coded_texts()
  codings <- tibble::tibble(
    unit_id = rep(data$id, 2), variable = "topic", coder = rep(c("anna", "ben"), each = 40),
    label = c(as.character(data$topic), rev(as.character(data$topic)))
  )
  corpus <- data.frame(unit_id = data$id, text = data$question, half = rep(c("first", "second"), each = 20))
  folder <- file.path(withr::local_tempdir(), "model")
  model <- at_save(quick_model(), folder)
  page <- page_of(model = model, codings = codings, corpus = corpus, by = "half", n_boot = 100)
  expect_match(page, "Error by subgroup: topic", fixed = TRUE)
  expect_match(page, "Agreement of people with each other and with the model on topic", fixed = TRUE)
  expect_false(grepl(data$question[1], page, fixed = TRUE))
  expect_identical(page_of(model = folder, codings = codings, corpus = corpus, by = "half", n_boot = 100), page)
  expect_identical(page_of(model = list(model), n_boot = 100), page_of(model = folder, n_boot = 100))
})

test_that("what cannot be reported is said", {
  skip_if_no_python(tuning = TRUE)
  path <- withr::local_tempfile(fileext = ".html")
  expect_error(at_report(path), "nothing to report", class = "annotune_error")
  expect_error(at_report(path, model = lm(1 ~ 1)), "'lm' is no model", class = "annotune_error")
  expect_error(at_report("page.pdf", codings = wide_codings()), class = "annotune_error")
  expect_false(file.exists(path))
})
