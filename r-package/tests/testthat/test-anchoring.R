seen_and_blind <- function() {
  data.frame(
    unit_id = sprintf("t%03d", 1:120), coder = rep(c("anna", "ben"), each = 60),
    answer = rep(c("Health", "Law", "Law", "Health"), 30), proposals = rep(c("Health", "Health", NA), 40)
  )
}

test_that("answers with and without proposals are compared as Python compares them", {
  skip_if_no_python()
  found <- at_anchoring(seen_and_blind(), columns = c(label = "answer"))
  expect_s3_class(found, "at_anchoring")
  expect_identical(c(found$n_shown, found$n_blind, found$n_coders), c(80L, 40L, 2L))
  expect_setequal(found$shares$label, c("Health", "Law"))
  expect_identical(tidy(found), found$acceptance)
  expect_output(print(found), "answers were given with a model's proposal in sight")
  withr::local_pdf(withr::local_tempfile(fileext = ".pdf"))
  expect_setequal(plot(found)$name, c("Health", "Law"))
  models <- data.frame(unit_id = sprintf("t%03d", 1:120), variable = "label", coder = "gpt", label = "Health")
  beside <- at_anchoring(seen_and_blind(), columns = list(label = "answer"), proposals = models, cluster = "unit_id")
  expect_equal(beside$recall$share_blind[1], 0.5)
  expect_true(all(c("anna", "gpt", "Law") %in% plot(beside)$name))
  page <- withr::local_tempfile(fileext = ".html")
  at_report(page, anchoring = beside)
  expect_match(paste(readLines(page), collapse = " "), "What proposals did to answers")
  path <- withr::local_tempfile(fileext = ".csv")
  utils::write.csv(seen_and_blind(), path, row.names = FALSE)
  expect_equal(at_anchoring(path, columns = c(label = "answer"))$shares, found$shares)
})

test_that("without blind answers what is accepted is drawn", {
  skip_if_no_python()
  verdicts <- data.frame(unit_id = 1:40, coder = "anna", proposals = "Health", accepted = rep(c(TRUE, TRUE, FALSE, TRUE), 10))
  found <- at_anchoring(verdicts)
  expect_match(paste(unlist(found$words), collapse = " "), "no text was coded blind")
  withr::local_pdf(withr::local_tempfile(fileext = ".pdf"))
  expect_equal(plot(found)$difference[1], 0.75)
  expect_error(at_anchoring(verdicts, cluster = "party"), "'party'", class = "annotune_error")
})

test_that("blind answers are hand codings with their probability", {
  skip_if_no_python()
  store <- withr::local_tempfile(fileext = ".annotune")
  codebook <- at_codebook(list(topic = c(Health = 1, Law = 2)))
  corpus <- data.frame(unit_id = sprintf("u%03d", 1:100), text = "Why?", topic = "Law")
  draw <- at_sample(corpus, 50, coders = c("anna", "ben"), blind = 0.4, store = store, codebook = codebook)
  answers <- data.frame(unit_id = draw$texts$unit_id, coder = "anna", topic = "Health")
  answers$coder <- draw$assignments$coder[match(answers$unit_id, draw$assignments$unit_id)]
  at_record(store, at_codings(answers, codebook))
  table <- at_blind_gold(corpus, store)
  expect_identical(sum(!is.na(table$topic_gold)), 20L)
  expect_equal(unique(table$pi), 0.2)
  expect_equal(sum(1 / table$pi[!is.na(table$topic_gold)]), 100)
  expect_error(at_blind_gold(corpus, store, among = "verified"), "with a proposal in sight", class = "annotune_error")
})
