test_that("codings are read from data frames in every layout", {
  skip_if_no_python()
  wide <- at_codings(wide_codings(), variable = "vote", coders = c("anna", "ben"))
  expect_identical(wide$status[wide$coder == "ben"], c("ok", "ok", "ok", "missing"))
  expect_identical(unique(wide$unit_id), as.character(1:4))
  named <- at_codings(list(
    anna = data.frame(unit_id = 1:2, vote = c("yes", "no")), ben = data.frame(unit_id = 1:2, vote = c("no", "no"))
  ), at_codebook(list(vote = c("yes", "no"))))
  expect_identical(unique(named$coder), c("anna", "ben"))
})

test_that("labels are read from codes, factors and labelled vectors; NA may be a label", {
  skip_if_no_python()
  book <- at_codebook(list(v = c(`NA` = 1, x = 2)))
  coded <- at_codings(data.frame(unit_id = 1:2, coder = "a", label = c(1, 2)), book)
  expect_identical(coded$label, c("NA", "x"))
  labelled <- haven::labelled(c(2, NA), c(`NA` = 1, x = 2))
  expect_identical(at_codings(tibble::tibble(unit_id = 1:2, coder = "a", label = labelled), book)$label, c("x", NA))
  levels <- factor(c("NA", NA), levels = c("NA", "x"))
  found <- at_codings(data.frame(unit_id = 1:2, coder = "a", label = levels), book)
  expect_identical(found$label, c("NA", NA))
  expect_identical(found$status, c("ok", "missing"))
})

test_that("agreement is Krippendorff's, and NA stands where nothing is defined", {
  skip_if_no_python()
  # Krippendorff (2011), Computing Krippendorff's alpha-reliability, example A
  anna <- c(0, 1, 0, 0, 0, 0, 0, 0, 1, 0)
  ben <- c(1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
  codings <- at_codings(data.frame(unit_id = 1:10, anna, ben), variable = "v", coders = c("anna", "ben"))
  found <- at_reliability(codings, metrics = c("percent", "alpha"), ci = "analytic")
  expect_equal(found$estimate[found$metric == "alpha"], 0.095, tolerance = 0.005)
  expect_equal(found$estimate[found$metric == "percent"], 0.6)
  expect_s3_class(found, "at_reliability")
  expect_s3_class(tidy(found), "tbl_df")
  same <- at_codings(data.frame(unit_id = 1:3, a = "x", b = "x"), variable = "v", coders = c("a", "b"))
  expect_identical(at_reliability(same, metrics = "alpha")$estimate, NA_real_)
})

test_that("sets in TRUE/FALSE columns are read, and gold is what any coder gave, or two did", {
  skip_if_no_python()
  book <- at_codebook(list(marks = c("elite", "centr")), kind = "multilabel")
  wide <- data.frame(
    unit_id = c(1, 1, 2, 2), coder = c("a", "b", "a", "b"),
    elite = c(TRUE, TRUE, FALSE, FALSE), centr = c(TRUE, FALSE, FALSE, FALSE)
  )
  codings <- at_codings(wide, book)
  expect_identical(codings$label, c("elite", "centr", "elite", NA, NA))
  expect_identical(codings$status[4:5], c("none", "none"))
  expect_identical(at_resolve(codings, "any", book)$label, c("elite", "centr", NA))
  expect_identical(at_resolve(codings, list(at_least = 2), book)$label, c("elite", NA))
  shares <- at_resolve(codings, "shares", book)
  expect_identical(shares$label, c("elite", NA))
  expect_identical(as.list(shares[1, c("share_elite", "share_centr")]), list(share_elite = 1, share_centr = 0.5))
  alone <- at_codings(data.frame(unit_id = 1:2, ann = c("x", "y")), variable = "v", coders = "ann")
  expect_output(print(at_reliability(alone)), "v: one coder, so there is no agreement")
})

test_that("pairs, categories, coders and models are compared", {
  skip_if_no_python()
  ann <- c("x", "y", "x", "y")
  wide <- data.frame(unit_id = 1:4, ann, ben = c("x", "y", "y", "y"), cem = ann)
  codings <- at_codings(wide, variable = "v", coders = c("ann", "ben", "cem"))
  pairs <- at_pairwise_reliability(codings, metrics = "percent", ci = "analytic")
  expect_identical(pairs$estimate, c(0.75, 1, 0.75))
  expect_identical(unique(at_category_reliability(codings, ci = "analytic")$category), c("x", "y"))
  compared <- at_compare_reliability(codings, "cem", metrics = "percent", ci = "analytic")
  expect_identical(compared$metric[3], "percent_difference")
  replaced <- at_replacement_test(codings, "cem", epsilon = 0.2, ci = "analytic")
  expect_match(replaced$note[replaced$coder_a == "people"], "no coder has 30 texts")
  expect_error(at_replacement_test(codings, "gpt"), "no coder 'gpt'", class = "annotune_error")
  quality <- at_coder_quality(codings, metrics = "percent", ci = "analytic")
  expect_identical(quality$estimate[quality$metric == "percent"], c(0.875, 0.75, 0.875))
})

test_that("empty and wrong tables are one sentence each", {
  skip_if_no_python()
  expect_error(at_reliability(data.frame(unit_id = character(), label = character())), class = "annotune_error")
  expect_error(at_reliability(data.frame(x = 1)), "no column 'unit_id'", class = "annotune_error")
  expect_error(at_codings(data.frame(unit_id = character(), label = character())), "no rows", class = "annotune_error")
  expect_error(at_corpus(data.frame(unit_id = c(1, 1), text = "a")), "more than once", class = "annotune_error")
  expect_error(at_corpus("no/such/file.csv"), "is not there", class = "annotune_error")
  expect_error(at_corpus(data.frame(unit_id = list(1:2), text = "a")), class = "annotune_error")
})

test_that("a corpus keeps R's own columns", {
  skip_if_no_python()
  data <- tibble::tibble(
    id = 7:8, q = c("Why?", "How?"), party = factor(c("b", "a"), levels = c("b", "a"), ordered = TRUE),
    rank = haven::labelled(1:2, c(low = 1L)), more = list(1, "a")
  )
  corpus <- at_corpus(data, unit_id = "id", text = "q")
  expect_identical(names(corpus), c("unit_id", "text", "party", "rank", "more"))
  expect_identical(corpus$unit_id, c("7", "8"))
  expect_identical(corpus[c("party", "rank", "more")], data[c("party", "rank", "more")])
})

test_that("codings are rolled up to the levels of a hierarchy", {
  skip_if_no_python()
  rows <- data.frame(
    variable = "topic", code = c(1, 101, 103, 3), name = c("Economy", "Prices", "Jobs", "Health"), parent = c(NA, 1, 1, NA)
  )
  book <- at_codebook(rows)
  wide <- data.frame(unit_id = 1:2, anna = c("Prices", "Economy"), ben = c("Jobs", "Prices"))
  rolled <- at_roll_up(at_codings(wide, book, variable = "topic", coders = c("anna", "ben")), book)
  expect_identical(unique(rolled$variable), c("topic_major", "topic_minor"))
  expect_identical(rolled$label[rolled$variable == "topic_major"], rep("Economy", 4))
  expect_identical(sum(rolled$status == "missing"), 1L)
  levels <- at_levels(book)
  expect_identical(levels$variables[[2]]$labels$name, c("Prices", "Jobs", "Health"))
  table <- at_reliability(rolled, codebook = levels, metrics = "percent")
  expect_identical(table$estimate[table$variable == "topic_major"], 1)
  expect_error(at_levels(at_codebook(list(v = c("a", "b")))), "has a parent", class = "annotune_error")
})

test_that("texts are coded at the level where the risk holds", {
  skip_if_no_python()
  rows <- data.frame(
    variable = "topic", code = c(1, 101, 103, 3), name = c("Economy", "Prices", "Jobs", "Health"), parent = c(NA, 1, 1, NA)
  )
  book <- at_codebook(rows)
  sure <- rep(c(TRUE, FALSE), c(200, 200))
  said <- data.frame(
    unit_id = 1:400, variable = "topic", coder = "model", label = "Prices", prob = ifelse(sure, 0.9, 0.5),
    p_Prices = ifelse(sure, 0.9, 0.5), p_Jobs = ifelse(sure, 0.05, 0.45), p_Health = 0.05
  )
  gold <- data.frame(unit_id = 1:400, variable = "topic", label = ifelse(sure | 1:400 %% 2 == 0, "Prices", "Jobs"))
  divided <- at_abstain(said, held_out = said, gold = gold, codebook = book, by_level = TRUE)
  expect_s3_class(divided, "at_level_abstention")
  expect_identical(table(divided$codings$level)[["topic_major"]], 200L)
  expect_identical(unique(divided$codings$label[!sure]), "Economy")
  expect_output(print(divided), "200 by topic_minor, 200 by topic_major")
})
