test_that("files are coded into a folder, and its status is told", {
  skip_if_no_python(tuning = TRUE)
  place <- withr::local_tempdir()
  texts <- file.path(place, "texts")
  dir.create(texts)
  data <- coded_texts()
  utils::write.csv(data[c("id", "question")], file.path(texts, "a.csv"), row.names = FALSE)
  utils::write.csv(data.frame(id = "z1", tweet = "A nurse."), file.path(texts, "b.csv"), row.names = FALSE)
  out <- file.path(place, "coded")
  found <- at_classify(quick_model(), texts, unit_id = "id", text = "question", out = out, workers = 1)
  expect_identical(found$shards$shard, c("a.csv", "b.csv"))
  expect_identical(found$shards$state, c("done", "failed"))
  expect_match(found$shards$why[2], "has no column 'question'")
  expect_output(print(found), "40 of 40 texts \\(100%\\) in 1 of 2 shards; 1 failed")
  beside <- file.path(place, "beside")
  withr::local_envvar(LD_LIBRARY_PATH = paste(R.home("lib"), "/their/own", sep = ":"))
  for (part in 1:2) {
    utils::write.csv(data[part, c("id", "question")], file.path(texts, paste0("c", part, ".csv")), row.names = FALSE)
  }
  many <- at_classify(quick_model(), texts, unit_id = "id", text = "question", out = beside, workers = 2, threads = 1)
  expect_identical(many$shards$state, c("done", "failed", "done", "done"))
  expect_match(Sys.getenv("LD_LIBRARY_PATH"), R.home("lib"), fixed = TRUE)
  again <- at_status(out)
  expect_s3_class(again, "at_run_status")
  expect_identical(again$shards, found$shards)
  expect_identical(sum(again$labels$n), 40L)
  labels <- table(predict(quick_model(), data)$.pred_class)
  expect_identical(again$labels$n, as.integer(labels[again$labels$label]))
})

test_that("one part of several is coded, and all of it is forecast", {
  skip_if_no_python(tuning = TRUE)
  place <- withr::local_tempdir()
  data <- coded_texts()
  path <- file.path(place, c("a.csv", "b.csv"))
  for (one in path) utils::write.csv(data[c("id", "question")], one, row.names = FALSE)
  model <- at_save(quick_model(), file.path(place, "model"))$path
  code <- function(...) at_classify(model, path, "id", "question", out = file.path(place, "coded"), ...)
  forecast <- code(dry_run = TRUE, workers = 1, price_per_hour = 2)
  expect_identical(forecast$texts, 80L)
  expect_equal(forecast$price, forecast$seconds / 1800)
  expect_output(print(forecast), "80 texts in 2 shards")
  expect_false(file.exists(file.path(place, "coded", "a.csv.parquet")))
  expect_identical(code(shard = c(2, 2))$shards$state, c("waiting", "done"))
})

test_that("what is not a path or a model is refused", {
  expect_error(at_classify("model", data.frame(text = "a"), out = "coded"), "read from files", class = "annotune_error")
  expect_error(at_classify(7, "texts", out = "coded"), "is no model", class = "annotune_error")
})

test_that("shares over a folder of codes are those of the same rows", {
  skip_if_no_python(tuning = TRUE)
  place <- withr::local_tempdir()
  data <- coded_texts()
  data$land <- rep(c("x", "y"), length.out = nrow(data))
  dir.create(texts <- file.path(place, "texts"))
  for (part in 1:2) {
    utils::write.csv(data[seq_len(nrow(data)) %% 2 == part - 1, c("id", "question", "land")],
      file.path(texts, paste0(part, ".csv")), row.names = FALSE)
  }
  out <- file.path(place, "coded")
  at_classify(quick_model(), texts, "id", "question", out = out, workers = 1, covariates = "land")
  counted <- at_prevalence(out, by = "land")
  expect_s3_class(counted, "at_prevalence")
  labels <- table(predict(quick_model(), data)$.pred_class[data$land == "x"])
  shares <- counted[counted$land == "x", ]
  expect_equal(shares$estimate, as.numeric(labels[shares$label]) / sum(data$land == "x"))
  gold <- data.frame(unit_id = data$id, topic_gold = as.character(data$topic), pi = 1)
  expect_warning(found <- at_prevalence(out, by = "land", hand_coded = gold, methods = c("hand", "dsl")), "was tuned on")
  by_hand <- found[found$method == "dsl" & found$label == "Health", ]
  expect_equal(by_hand$estimate, as.numeric(tapply(data$topic == "Health", data$land, mean)))
  expect_error(at_prevalence(out, "tone"), "no codes of 'tone'", class = "annotune_error")
})
