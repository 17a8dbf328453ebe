skip_if_no_page <- function() {
  skip_if_no_python()
  skip_if_not("page" %in% strsplit(the$look[["extras"]], " ")[[1]], "the extra page is not installed")
}

topics <- function() at_codebook(list(topic = c(Health = 1, Law = 2)))
questions <- function() data.frame(unit_id = letters[1:4], text = "Why?", party = c("A", "B"))

test_that("the page is served by a process of its own, and stopped", {
  skip_if_no_page()
  store <- tempfile(fileext = ".annotune")
  options <- list(coders = c("anna", "ben"), show = "party", port = 8391, browser = FALSE, wait = FALSE)
  shown <- capture.output(page <- do.call(at_code, c(list(store, questions(), topics()), options)), type = "message")
  expect_named(page$links, c("anna", "ben"))
  expect_match(readLines(page$links$anna, warn = FALSE), "<script", all = FALSE)
  expect_true(at_call("code_is_served", process = page$process))
  expect_equal(nrow(at_code_stop(page)), 0)
  expect_false(at_call("code_is_served", process = page$process))
  expect_error(at_code_stop(page), "not served any more")
  expect_equal(nrow(at_draws(store, of = "people")), 8)
})

test_that("what cannot be served is one sentence", {
  skip_if_no_page()
  store <- tempfile(fileext = ".annotune")
  expect_error(at_code(store, questions(), topics(), browser = FALSE, wait = FALSE), "nobody is named who codes")
})

test_that("pages that need no server are files", {
  skip_if_no_python()
  store <- tempfile(fileext = ".annotune")
  folder <- tempfile()
  paths <- at_code(store, questions(), topics(), coders = c("anna", "ben"), offline = folder)
  expect_equal(sort(list.files(folder)), c("code_anna.html", "code_ben.html"))
  expect_true(all(file.exists(paths)))
  exported <- file.path(folder, "answers_anna.json")
  writeLines(paste0(
    '{"format": "annotune-answers", "version": 1, "study": "", "coder": "anna", "entries": [{"kind": "answer", ',
    '"key": "a-good-key", "unit_id": "a", "version": 1, "seconds": 3, "answers": {"topic": ',
    '{"labels": ["Law"], "status": "ok", "unsure": false, "note": ""}}}]}'
  ), exported)
  expect_equal(at_record(store, exported)$new, 1)
  expect_equal(at_codings(store)$label, "Law")
})

test_that("arms are drawn with shares", {
  skip_if_no_python()
  draw <- at_sample(questions(), 4, coders = "anna", blind = 0.25, two = 0.25, decoy = 0.25)
  expect_setequal(draw$assignments$arm, c("open", "blind", "two", "decoy"))
})

test_that("definitions that coders sharpened come back into the codebook's file", {
  skip_if_no_python()
  folder <- tempfile()
  dir.create(folder)
  store <- file.path(folder, "study.annotune")
  book <- file.path(folder, "codebook.yaml")
  writeLines("variables: [{name: topic, labels: [{code: 1, name: Health}, {code: 2, name: Law}]}]", book)
  at_sample(questions(), 2, coders = "anna", store = store, codebook = at_codebook(book))
  expect_equal(nrow(at_definitions(store, book)), 0)
  sharper <- sub("name: Law", "name: Law, definition: Courts.", readLines(book))
  newer <- file.path(folder, "newer.yaml")
  writeLines(sharper, newer)
  at_code(store, questions(), at_codebook(newer), offline = file.path(folder, "pages"))
  found <- at_definitions(store, book, update = TRUE)
  expect_equal(found$definition, "Courts.")
  expect_true(found$in_file)
  expect_match(readLines(book)[1], 'definition: "Courts."', fixed = TRUE)
  expect_error(at_definitions(store, update = TRUE), "Give a .yaml", class = "annotune_error")
})
