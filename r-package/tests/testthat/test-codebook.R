test_that("a codebook is made of factors, labelled vectors, lists and data frames without Python", {
  book <- at_codebook(factor("b", levels = c("b", "a")), variable = "v")
  expect_identical(tidy(book)$name, c("b", "a"))
  expect_identical(tidy(book)$code, 1:2)
  expect_identical(at_codebook(factor("b", levels = c("b", "a"), ordered = TRUE))$variables[[1]]$kind, "ordinal")

  labelled <- haven::labelled(1, c(yes = 1, no = 3), label = "Agree?")
  book <- at_codebook(labelled, "vote")
  expect_identical(tidy(book)$code, c(1L, 3L))
  expect_identical(book$variables[[1]]$instruction, "Agree?")

  spss <- haven::labelled_spss(1, c(yes = 1, no = 2, refused = 99), na_values = 99)
  expect_warning(book <- at_codebook(spss, "vote"), "1 value labels", class = "annotune_warning")
  expect_identical(tidy(book)$name, c("yes", "no"))

  book <- at_codebook(list(topic = c(Economy = 1, Health = 3), tone = c("good", "bad")))
  expect_identical(tidy(book)$code, c(1L, 3L, 1L, 2L))

  rows <- data.frame(variable = "v", code = c(0, 5), name = c("x", "y"), definition = c("a", "b"))
  expect_identical(tidy(at_codebook(rows))$definition, c("a", "b"))

  data <- data.frame(x = factor(c("a", "b")), y = 1)
  expect_identical(tidy(at_codebook(data))$variable, c("x", "x"))
})

test_that("unsound codebooks are refused where they are made", {
  expect_error(at_codebook(list(v = c(a = 1, b = 1))), "code 1", class = "annotune_error")
  expect_error(at_codebook(list(v = "a")), "too few", class = "annotune_error")
  expect_error(at_codebook(list("a")), "no names", class = "annotune_error")
  expect_error(at_codebook(data.frame(x = 1)), "No column is a factor", class = "annotune_error")
  expect_error(at_codebook(1), "class 'numeric'", class = "annotune_error")
  expect_error(at_codebook(list(v = c("a", "b")), kind = "other"), "kind 'other'", class = "annotune_error")
})

test_that("a codebook crosses and comes back", {
  skip_if_no_python()
  book <- at_codebook(list(topic = c(Economy = 1, `NA` = 3)), name = "B\u00fccher")
  expect_equal(there_and_back(book), book)
  file <- withr::local_tempfile(fileext = ".yaml")
  writeLines(c(
    "variables:", "  - name: v", "    kind: ordinal", "    labels:",
    "      - {code: 0, name: low, examples: [a, b]}", "      - {code: 9, name: high, parent: 0}"
  ), file)
  read <- at_codebook(file)$variables[[1]]
  expect_identical(read$kind, "ordinal")
  expect_identical(read$labels$examples, list(c("a", "b"), character()))
  expect_identical(read$labels$parent, c(NA, 0L))
})

test_that("a codebook prints its labels and codes", {
  expect_snapshot(at_codebook(list(topic = c(Economy = 1, Health = 13)), name = "Questions"))
})

test_that("a codebook test needs a decoder, and says what it found", {
  cells <- data.frame(n_units = 4L, changed = 1L, share = 0.25, ci_low = 0.05, ci_high = 0.7)
  found <- structure(
    list(
      words = "made gives its own label to 1 of 2 definitions and examples.",
      tests = cbind(data.frame(test = "paraphrase", variant = "paraphrase"), cells),
      sentences = cbind(data.frame(variant = "without sentence 1 of A", part = "A", sentence = "About a."), cells,
        move = "A \u2192 B (1)"
      )
    ),
    class = c("at_codebook_test", "at_result")
  )
  expect_output(print(found), "1 of 2 definitions")
  expect_identical(tidy(found)$variant, "paraphrase")
  withr::local_pdf(withr::local_tempfile(fileext = ".pdf"))
  expect_identical(plot(found)$variant, c("paraphrase", "without sentence 1 of A"))
  skip_if_no_python()
  book <- at_codebook(list(topic = c(War = 1, Trade = 2)))
  texts <- data.frame(unit_id = "a", text = "tanks")
  expect_error(at_test_codebook(texts, book, file.path(tempdir(), "none")), "no base model", class = "annotune_error")
  expect_error(at_test_codebook(texts, book, "x", orders = -1), "-1 orders", class = "annotune_error")
})
